"""From the options of `tune` and `evaluate`, as parsed, to a request; for the command line and for Python."""

from typing import Any

from orchestrator.commands import options as opt
from orchestrator.errors import InputError
from orchestrator.planning.request import DataOptions, Request
from tune_spaces.catalogue import find_method
from tune_spaces.method import HParams, hyper_parameters, make_hparams

Values = dict[str, Any]  # by the options' names, as click has them


def request(command: str, values: Values) -> Request:
    """Return what a command was asked for; InputError if a configuration is not given whole, or twice."""
    if values["model_file"] is not None:
        from orchestrator.corpora.video.yunet import keep_model

        keep_model(values["model_file"], values["face_crop"])
    networks = values["networks"] if command == "tune" else (values["network"],)
    return Request(
        command=command,
        method=values["method"],
        preset=values.get("preset"),
        networks=tuple(networks),
        overrides=tuple(values.get("overrides") or ()),
        point=_point(values) if command == "evaluate" else None,
        protocol=values["protocol"],
        protocol_changes={field: values[field] for field in opt.PROTOCOL_FIELDS},
        data=data_options(values),
        seed=values["seed"],
        search=opt.search_options(values),
        output=values["output"],
        tracking_uri=values["tracking_uri"],
        image_changes={field: values[field] for field in opt.IMAGE_FIELDS},
        federation_changes={field: values[field] for field in opt.FEDERATION_FIELDS},
        left_open=frozenset(field for field, name in opt.PRESET_FIELDS.items() if values.get(name) is None),
    )


def data_options(values: Values) -> DataOptions:
    """Return which recordings, and how they are read; InputError for options that do not go together."""
    if values["data"] is not None and values["identity"] is not None:
        expected = "either recordings or a share of the embedded corpus"
        raise InputError.of("--identity", found="beside --data", expected=expected)
    return DataOptions(
        path=values["data"],
        corpus=values["corpus"],
        identity=values["identity"],
        features=opt.patterns(values["features"]),
        reading=opt.reading(values),
        options=opt.read_options(values),
    )


def _point(values: Values) -> HParams:
    known = {one.name: one for one in hyper_parameters()}
    given = {name: values[name] for name in known if values[name] is not None}
    flags = {name: f"--{name.replace('_', '-')}" for name in known}
    if values["published"]:
        if given:
            raise InputError.of(
                "--published",
                found=f"beside {', '.join(flags[name] for name in given)}",
                expected="one or the other",
            )
        published = find_method(values["method"]).published
        if values["network"] not in published:
            raise InputError.of("--network", found=repr(values["network"]), expected=f"one of {', '.join(published)}")
        return published[values["network"]]
    missing = [flags[name] for name, one in known.items() if name not in given and one.default is None]
    if missing:
        raise InputError.of("evaluate", found=f"no {', '.join(missing)}", expected="--published, or all of them")
    return make_hparams(given)
