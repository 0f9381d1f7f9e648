# SPDX-License-Identifier: Apache-2.0
"""``price.json``: the price that was chosen for a run, kept beside its facts."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from nicarbon.carbon.price import Price
from nicarbon.errors import NicarbonError
from nicarbon.files import write_whole
from nicarbon.meter import SCHEMA_VERSION

NAME = "price.json"


def write_price(folder: Path, price: Price) -> None:
    """Keep a price in a run folder, in place of the one before.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    content = json.dumps(msgspec.to_builtins(price), indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / NAME, content, "copy the run folder to where you can")


def read_price(folder: Path) -> tuple[Price | None, str | None]:
    """Return the price of a run folder, and what is wrong with it; None where nothing is.

    A price that cannot be used leaves the run unpriced: its energy is shown all the same.
    """
    path = folder / NAME
    try:
        price = msgspec.json.decode(path.read_bytes(), type=Price)
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except OSError as error:
        return None, _complaint(f"cannot be read ({error.strerror})")
    except NicarbonError as error:
        return None, _complaint(f"holds {error}")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return None, _complaint(f"holds no price ({' '.join(str(error).split())})")
    if price.schema_version != SCHEMA_VERSION:
        return None, _complaint(f"is written in format {price.schema_version}")
    return price, None


def _complaint(what: str) -> str:
    return f"{NAME} {what}, the run is shown unpriced: price it again with 'nicarbon price'"
