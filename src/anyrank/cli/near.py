"""Groups of commands that say what a mistyped name is close to."""

from __future__ import annotations

import difflib

import click

ARGUMENTS = "anyrank.arguments"
"""Where a context's ``meta`` keeps the words behind the command's name as they were typed."""


class Near(click.Group):
    """A group whose error for an unknown command names the nearest known one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            found = super().resolve_command(ctx, args)
        except click.UsageError:
            name = args[0] if args else ""
            near = difflib.get_close_matches(name[:80].lower(), self.list_commands(ctx), 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {name!r:.80}.{hint}", ctx) from None
        ctx.meta[ARGUMENTS] = tuple(found[2])
        return found
