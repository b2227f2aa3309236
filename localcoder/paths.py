"""Where things are: the installed assets, and the user's own directories."""

from __future__ import annotations

from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent
_DIRS = platformdirs.PlatformDirs("localcoder", appauthor=False)


def assets_dir() -> Path:
    """The bundled model, its card and the sample files: inside the installed package, or at the top of a checkout."""
    installed = _PACKAGE / "assets"
    return installed if installed.is_dir() else _PACKAGE.parent / "assets"


def bundled_model() -> Path:
    """The demonstration model's GGUF."""
    return assets_dir() / "nano" / "nano-Q8_0.gguf"


def models_dir() -> Path:
    """Where the user's models are kept (not created here)."""
    return Path(_DIRS.user_data_dir) / "models"


def state_dir() -> Path:
    """Sessions, logs, history (not created here)."""
    return Path(_DIRS.user_state_dir)


def cache_dir() -> Path:
    """What can be deleted at any time: KV snapshots, indexes (not created here)."""
    return Path(_DIRS.user_cache_dir)


def snapshots_dir() -> Path:
    """KV cells of what was read (not created here)."""
    return cache_dir() / "kv"


def indexes_dir() -> Path:
    """What is in repositories, one file each (not created here)."""
    return cache_dir() / "repositories"


def settings_file() -> Path:
    return Path(_DIRS.user_config_dir) / "settings.toml"
