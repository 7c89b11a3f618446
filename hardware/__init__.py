"""Device drivers and their emulators. Start at ports.py."""

import os

# Blinka otherwise insists on Raspberry Pi packages being importable, also on a developer's machine where only the
# buses' emulators are used. It looks at import, so this comes first.
os.environ.setdefault("BLINKA_SKIP_DEPENDENCY_CHECK", "1")
