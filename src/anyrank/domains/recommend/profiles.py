"""Profiles: texts of items and users, by templates, or written and varied by a language model (EasyRec, arXiv
2408.08821; the prompts are in our own words)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from ...core.language import Generates, Turn
from .interactions import Interactions, Row

SHOWN = 12
"""Items that a user's profile names."""
REVISED = "REVISED PROFILE:"
_NAME = ("title", "name", "movie_title", "item_name")
_LEFT_OUT = ("url", "zip", "date", "timestamp", "unknown")


def item_profile(row: Row) -> str:
    r"""An item's text, a line each: its title, the names of its columns of 0 and 1 that are 1, other columns by name.
    Addresses and dates are left out.

    >>> item_profile({"movie_title": "Toy Story (1995)", "comedy": "1", "war": "0", "director": "John Lasseter"})
    'Toy Story (1995)\ncomedy\ndirector: John Lasseter'
    """
    title = next((row[name] for name in _NAME if row.get(name)), "")
    flags = [name for name, value in row.items() if value == "1"]
    rest = [
        f"{name}: {value}"
        for name, value in row.items()
        if value and value not in ("0", "1") and name not in _NAME and not any(word in name for word in _LEFT_OUT)
    ]
    return "\n".join(part for part in (title, ", ".join(f for f in flags if f != "unknown"), *rest) if part)


def item_profiles(data: Interactions, items: Mapping[str, Row]) -> list[str]:
    """The text of every item; of one that the table lacks, its id."""
    return [item_profile(items[i]) or i if i in items else i for i in data.items]


def user_profiles(
    train: Interactions, profiles: Sequence[str], users: Mapping[str, Row] | None = None, version: int = 0
) -> list[str]:
    r"""The text of every user by what the training part says: attributes, what most of the items are, and the last
    items. Version 0 names the last ones, others a random choice of as many.

    >>> import numpy as np
    >>> seen = Interactions(("u",), ("a", "b"), np.array([[0, 0], [0, 1]]))
    >>> user_profiles(seen, ["Toy Story\ncomedy", "Babe\ncomedy"], {"u": {"occupation": "writer"}})
    ['occupation: writer. Likes comedy. Liked Babe; Toy Story']
    """
    out = []
    for user, mine in zip(train.users, train.by_user()):
        attributes = item_profile((users or {}).get(user, {})).replace("\n", ". ")
        kinds: Counter[str] = Counter()
        for item in mine:
            kinds.update(dict.fromkeys(_kinds(profiles[item]), 1))  # of equal counts the first met, whatever the hashes
        shown = mine[::-1][:SHOWN]
        if version and len(mine) > SHOWN:
            shown = random.Random(f"{version}/{user}").sample(mine, SHOWN)
        titles = [profiles[item].partition("\n")[0] for item in shown]
        likes = ", ".join(kind for kind, _ in kinds.most_common(4))
        parts = [attributes, f"Likes {likes}" if likes else "", f"Liked {'; '.join(titles)}" if titles else ""]
        out.append(". ".join(part for part in parts if part))
    return out


def _kinds(profile: str) -> list[str]:
    """The flags of an item's profile."""
    parts = profile.split("\n")
    return parts[1].split(", ") if len(parts) > 1 and ":" not in parts[1] else []


def written(profiles: Sequence[str], model: Generates, of: str = "item", *, max_tokens: int = 128) -> list[str]:
    """The profiles in a language model's words: of an item what it is and who will like it, in at most 50 words; of a
    user what the user will like, in at most 100. Where the model says nothing, the profile as it was."""
    what = "this item is and what kind of user will like it, in at most 50 words"
    if of == "user":
        what = "kind of items this user will like, in at most 100 words"
    prompts = [(Turn("user", f"Say what {what}, and nothing else.\n\n{text}"),) for text in profiles]
    answers = model.generate(prompts, max_tokens=max_tokens)
    return [answer.text.strip() or text for answer, text in zip(answers, profiles)]


def revised(answer: str) -> str:
    """The profile in an answer to the request to say it in other words: what follows "REVISED PROFILE:".

    >>> revised("Sure. REVISED PROFILE: Loves comedies.")
    'Loves comedies.'
    """
    return answer.rpartition(REVISED)[2].strip()


def varied(profiles: Sequence[str], model: Generates, *, max_tokens: int = 160) -> list[str]:
    """The profiles in other words of the same meaning; as they were where the model says nothing."""
    ask = f"Say this profile in other words of the same meaning, after the words {REVISED}\n\n"
    answers = model.generate([(Turn("user", ask + text),) for text in profiles], max_tokens=max_tokens)
    return [revised(answer.text) or text for answer, text in zip(answers, profiles)]
