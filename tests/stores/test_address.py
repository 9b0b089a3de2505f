"""Addresses of collections are shown without a password, however it is written."""

import pytest

from anyrank.stores.address import Address, without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me@corp:S3CRET@db:1/papers/wings", "postgresql://me@corp@db:1/papers/wings"),
        ("opensearch://a@b:S3CRET@h/wings", "opensearch://a@b@h/wings"),
        ("qdrant://:S3CRET@h/wings", "qdrant://@h/wings"),
        ("postgresql://me:S3C/R?E@T@db/papers/wings", "postgresql://me@db/papers/wings"),
        ("postgresql://db/papers/wings?user=x&p%61ssword=S3CRET", "postgresql://db/papers/wings?user=x&p%61ssword=***"),
        (
            "postgresql://me@db:5432/papers/wings?sslmode=require",
            "postgresql://me@db:5432/papers/wings?sslmode=require",
        ),
    ],
)
def test_a_password_is_not_shown(url, shown):
    assert without_password(url) == shown
    assert "S3CRET" not in shown


def test_an_address_scrubs_errors_of_its_password():
    address = Address.of("postgresql://me:S3CRET@db/papers/wings?sslpassword=0THER")
    assert address.scrubbed("no S3CRET, no 0THER") == "no ***, no ***"
