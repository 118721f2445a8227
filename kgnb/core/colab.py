"""What Colab's own package offers a notebook: Drive, language models, uploads, and giving the runtime back.

Only the notebook's own process can use it: the package asks the page.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from kgnb.core.errors import InputError
from kgnb.core.host import variable

DRIVE = Path("/content/drive")
COPY = DRIVE / "MyDrive" / "kgnb-data"
"""Where the record is kept on Drive."""
DRIVE_WORD = "drive"
"""The data folder's name that stands for Drive."""
PROVIDER = "colab"
"""Name of the provider that Colab itself is."""
HOST_VARIABLE, KEY_VARIABLE = "MODEL_PROXY_HOST", "MODEL_PROXY_API_KEY"


def drive_settings() -> dict[str, Any]:
    """Mount Drive, which asks the user, and return the settings that keep the record there.

    Raises InputError where that fails or is refused.
    """
    if not (DRIVE / "MyDrive").is_dir():
        try:
            from google.colab import drive

            drive.mount(str(DRIVE))
        except Exception as error:  # noqa: BLE001 its errors have no common class: refused, no page, timed out
            raise InputError("colab.no_drive", reason=str(error) or type(error).__name__) from None
    return {"copy_to": str(COPY)}


def provider_settings() -> dict[str, Any]:
    """Return the settings of the models that Colab offers its notebooks, as google.colab.ai finds them.

    Raises InputError where this runtime has none.
    """
    host = variable(HOST_VARIABLE).rstrip("/")
    try:
        from google.colab import userdata

        key = variable(KEY_VARIABLE) or userdata.get(KEY_VARIABLE)
    except Exception:  # noqa: BLE001 not found, not allowed, no page, another package: there is no key
        key = ""
    if not host or not key:
        raise InputError("colab.no_models")
    return {"openai_base_url": f"{host}/models/openapi", "openai_api_key": key}


def default_model() -> dict[str, Any]:
    """Return {"openai_model": name} with the default model of google.colab.ai; {} where there is none."""
    try:
        from google.colab import ai

        name = inspect.signature(ai.generate_text).parameters["model_name"].default
    except (ImportError, AttributeError, KeyError):
        return {}
    return {"openai_model": name} if isinstance(name, str) else {}


def upload() -> Path:
    """Ask the page for one file and return its path. Raises InputError for no or several files, or outside of
    Colab.
    """
    try:
        from google.colab import files
    except ImportError:
        raise InputError("colab.no_upload") from None
    chosen = list(files.upload())
    if len(chosen) != 1:
        raise InputError("colab.one_file", count=len(chosen))
    return Path(chosen[0]).absolute()


def end_runtime() -> None:
    """Give the runtime back to Colab, which ends this process."""
    from google.colab import runtime

    runtime.unassign()
