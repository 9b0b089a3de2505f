"""Forecasting: a question about the future is the query, dated news articles are the candidates."""
