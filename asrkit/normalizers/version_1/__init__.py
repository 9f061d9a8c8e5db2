"""The normalizers ``english`` and ``multilingual`` as they were in version 1, so that old scores can be repeated.

They are reached by name, ``english-1`` and ``multilingual-1``, and record themselves as old scores did: by the name
``english`` and the version ``1``. Their texts never change, whatever is wrong with them.
"""

from __future__ import annotations

from .english import English
from .multilingual import Multilingual

__all__ = ["English", "Multilingual"]
