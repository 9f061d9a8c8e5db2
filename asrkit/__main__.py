"""``python -m asrkit`` is the console script ``asrkit``."""

from .cli import main

raise SystemExit(main())
