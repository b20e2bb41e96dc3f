"""What a search chose beside its protocol: images, federation and features, as rows of a table name it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from fed.options import Federation, abouts
from orchestrator.planning.grid import decisive_part
from orchestrator.planning.request import preset_images
from orchestrator.report.search_record import Search
from tune_spaces.catalogue import find_method

PARTS = ("images", "federation", "features")  # of a plan
# They decide when a round is given up, not what becomes of one that ends.
OF_FAILURES = ("on_client_failure", "quorum", "round_deadline_seconds")
SECURE = "secure sums"

_IMAGES: Mapping[str, Callable[[Any], str]] = {
    "image_size": lambda value: f"{value} px",
    "frame_stride": lambda value: f"1 frame of {value}",
    "face_crop": lambda value: f"faces by {value}",
    "backbone": lambda value: f"{value} backbone",
    "weights": lambda value: "random weights" if value == "none" else f"weights {value}",
}


def options_key(search: Search) -> str:
    """Return what two searches share that chose the same images, federation and features."""
    own = {name: decisive_part(search.plan, name) for name in PARTS}
    if isinstance(own["federation"], dict):
        own["federation"] = {key: value for key, value in own["federation"].items() if key not in OF_FAILURES}
    if not own["features"]:  # an earlier plan does not have them
        own["features"] = None
    return json.dumps(own, sort_keys=True, default=str)


def option_changes(search: Search) -> list[str]:
    """Return in words each option of images, federation and features that is not the paper's, or the default."""
    return [*_federation(search), *_images(search), *_features(search)]


def _images(search: Search) -> list[str]:
    given = search.plan.get("images")
    if not isinstance(given, dict):
        return []
    usual = preset_images(find_method(str(search.plan["method"])).presets["paper"])
    return [word(given[name]) for name, word in _IMAGES.items() if name in given and given[name] != usual[name]]


def _federation(search: Search) -> list[str]:
    given = search.plan.get("federation")
    if not isinstance(given, dict):
        return []
    usual = Federation()
    own = {name: value for name, value in given.items() if name in abouts() and name not in OF_FAILURES}
    words = []
    for name, value in own.items():
        about = abouts()[name]
        default = about.defaults.get(own.get(about.of)) if about.of else getattr(usual, name)
        if value is None or value == default:
            continue
        words.append(SECURE if name == "secure_sum" else f"{name.replace('_', ' ')} {value}")
    return words


def _features(search: Search) -> list[str]:
    patterns = [str(one) for one in search.plan.get("features") or ()]
    return [f"features {' '.join(patterns)}"] if patterns else []
