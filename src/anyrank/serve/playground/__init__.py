"""The playground: a page that compares pipelines side by side, over pasted documents or an index, and judges them."""
