"""What a command was asked for, and what that decides: protocol, images and federation; refused here or not at all."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fed.options import Federation, FederationError, option_of
from models.recipe import WEIGHTS_IMAGENET, WEIGHTS_NONE, WINDOW_TARGET, misfit
from models.sizes import DEFAULT_HEAD, NETWORKS
from orchestrator.corpora.read_options import ReadOptions
from orchestrator.corpora.reading import AS_IT_IS, Reading
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import Gather, InputError, Problem
from orchestrator.files import JsonObject
from orchestrator.planning.grid import grid_points, parse_grid_overrides
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.strategies import SCHEDULERS, SEARCHES
from orchestrator.protocols import PROTOCOLS, Protocol
from tune_spaces.catalogue import find_method, method_names
from tune_spaces.method import HParams, Method, Preset

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Where the recordings come from; no path means the embedded synthetic corpus."""

    path: Path | None
    corpus: str | None
    identity: float | None = None
    features: tuple[str, ...] = ()  # patterns of the feature columns to learn from; all without one
    reading: Reading = AS_IT_IS  # what the user said of the files' clocks and sizes
    options: ReadOptions = field(default_factory=ReadOptions)  # and of what is in them


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a command was asked for, as parsed and not yet checked."""

    command: str
    method: str
    preset: str | None
    networks: tuple[str, ...]
    overrides: tuple[str, ...]  # --set texts
    point: HParams | None  # evaluate: the one configuration
    protocol: str
    protocol_changes: Mapping[str, Any]  # fields that options override; None means the protocol's own
    data: DataOptions
    seed: int
    search: SearchOptions
    output: Path | None
    tracking_uri: str | None
    image_changes: Mapping[str, Any] = field(default_factory=dict)  # fields that options override; None: the preset's
    federation_changes: Mapping[str, Any] = field(default_factory=dict)
    left_open: frozenset[str] = frozenset()  # fields of `search` that no option gave: the preset decides them


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A request's choices, all of them made."""

    request: Request
    method: Method
    preset_name: str
    protocol: Protocol
    search: SearchOptions
    images: ImageOptions | None
    federation: Federation | None
    points: tuple[tuple[str, HParams], ...]


def decide(request: Request, gather: Gather) -> Decided:
    """Fill in every choice that the options leave open; what is wrong goes into `gather`."""
    method = find_method(request.method)
    preset_name = request.preset or _default_preset(request)
    protocol = _protocol(request, method, preset_name)
    search = _search(request, method.presets[preset_name], protocol)
    gather.run(lambda: _check_strict(protocol, search))
    gather.run(lambda: _check_features(request, method))
    gather.run(lambda: _check_both(request, method))
    gather.run(lambda: _check_windows(protocol))
    gather.run(lambda: _check_defence(protocol, method))
    points = gather.run(lambda: _points(request, method, preset_name, gather))
    federation = gather.run(lambda: _federation(request, method))
    return Decided(
        request=request,
        method=method,
        preset_name=preset_name,
        search=search,
        protocol=_without_shared_statistics(protocol, request, method, gather),
        images=_images(request, method, preset_name),
        federation=federation,
        points=points or (),
    )


def _default_preset(request: Request) -> str:
    """Return the preset if none was asked for; one configuration is trained as the paper trains it."""
    if request.data.path is None:
        return "demo"
    return "standard" if request.point is None else "paper"


def _search(request: Request, preset: Preset, protocol: Protocol) -> SearchOptions:
    """Fill in from the preset how the points are walked, if no option says it."""
    left_open = request.left_open
    if request.point is not None:
        return request.search
    search = preset.search if "search" in left_open else request.search.search
    found: dict[str, Any] = {"search": search}
    if "scheduler" in left_open:
        # Strictly no reported person chooses anything: there every trial runs to its end.
        refused = protocol.name == "strict" and SCHEDULERS[preset.scheduler].stops
        found["scheduler"] = "fifo" if refused else preset.scheduler
    if "max_trials" in left_open and SEARCHES[search].chooses:
        found["max_trials"] = preset.trials
    return dataclasses.replace(request.search, **found)


def _check_strict(protocol: Protocol, search: SearchOptions) -> None:
    """Refuse what would let reported people choose, or be measured, under the name `strict`."""
    if protocol.name != "strict":
        return
    expected = "with --protocol strict"
    problems = []
    if SCHEDULERS[search.scheduler].stops:
        found = f"{search.scheduler}, which stops configurations by all folds' people"
        problems.append(
            Problem(
                where="--scheduler", found=found, expected=f"{_names(SCHEDULERS, lambda one: not one.stops)} {expected}"
            )
        )
    if SEARCHES[search.search].propose is not None:
        found = f"{search.search}, which chooses configurations by all folds' people"
        problems.append(
            Problem(
                where="--search",
                found=found,
                expected=f"{_names(SEARCHES, lambda one: one.propose is None)} {expected}",
            )
        )
    if protocol.scaling in ("participant", "both"):
        found = f"{protocol.scaling}, which measures the held-out people"
        problems.append(Problem(where="--scaling", found=found, expected=f"train or none {expected}"))
    if problems:
        raise InputError(problems)


def _names(known: Mapping[str, T], fits: Callable[[T], bool]) -> str:
    return " or ".join(name for name, one in known.items() if fits(one))


def _check_features(request: Request, method: Method) -> None:
    if request.data.features and method.features == "frames":
        raise InputError.of("--features", found=f"beside --method {method.name}", expected="a method on features, au")


def _check_both(request: Request, method: Method) -> None:
    """Refuse people's own statistics as inputs where they cannot be compared between people, or are of pixels."""
    if request.protocol_changes.get("scaling") != "both":
        return
    if method.federated:
        found = f"both, beside --method {method.name}: people's means are standardised over all training people"
        expected = "participant or none: in a federation no two people's statistics meet"
        raise InputError.of("--scaling", found=found, expected=expected)
    if method.features == "frames":
        found = f"both, beside --method {method.name}"
        raise InputError.of("--scaling", found=found, expected="a method on features, au; or another scaling")


def _check_defence(protocol: Protocol, method: Method) -> None:
    if protocol.defence is not None and method.features == "frames":
        found = f"{protocol.defence}, beside --method {method.name}, which looks at pictures"
        raise InputError.of("--defence", found=found, expected="a method on features: au or fl-au")


def _check_windows(protocol: Protocol) -> None:
    """Refuse a head or a loss that does not go with what the protocol compares."""
    problem = misfit(protocol.head, protocol.loss, protocol.target, protocol.partial_window)
    if problem is not None:
        where = "--loss" if protocol.head == DEFAULT_HEAD else "--head"
        expected = "mse or ccc" if where == "--loss" else "--protocol published, whose target is a mean per window"
        raise InputError.of(where, found=f"{problem} (--protocol {protocol.name})", expected=expected)
    if protocol.loss == "ccc" and protocol.target == WINDOW_TARGET and protocol.windows_a_step == 1:
        found = f"ccc, beside steps of one window and one value per window (--protocol {protocol.name})"
        raise InputError.of("--loss", found=found, expected="--batch-size of several windows, or mse")


def _protocol(request: Request, method: Method, preset_name: str) -> Protocol:
    protocol = PROTOCOLS[request.protocol]
    preset_epochs = method.presets[preset_name].epochs if request.point is None else None
    changes = {
        "epochs": preset_epochs,
        **{k: v for k, v in request.protocol_changes.items() if v is not None},
    }
    if changes.get("group_by") is not None:
        changes["group_by"] = changes["group_by"].strip().lower()  # as the names of participants.csv are taken
    return dataclasses.replace(protocol, **{k: v for k, v in changes.items() if v is not None})


def _points(request: Request, method: Method, preset_name: str, gather: Gather) -> tuple[tuple[str, HParams], ...]:
    preset = method.presets[preset_name]
    for network in request.networks:
        if network not in NETWORKS:
            expected = f"one of {', '.join(NETWORKS)}"
            gather.problems.append(Problem(where="--network", found=repr(network), expected=expected))
    networks = [one for one in request.networks if one in NETWORKS] or preset.networks
    if request.point is not None:
        return tuple((network, request.point) for network in networks)
    return grid_points(networks, parse_grid_overrides(request.overrides, method, preset))


def preset_images(preset: Preset) -> JsonObject:
    """Return the image options of a preset, by the fields of `ImageOptions`."""
    return {
        "image_size": preset.image_size,
        "frame_stride": preset.frame_stride,
        "face_crop": "none",
        "backbone": preset.backbone,
        "weights": preset.weights,
    }


def _images(request: Request, method: Method, preset_name: str) -> ImageOptions | None:
    given = {name: value for name, value in request.image_changes.items() if value is not None}
    if method.features != "frames":
        if given:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            of_frames = [name for name in method_names() if find_method(name).features == "frames"]
            found = f"beside --method {method.name}, which looks at no frames"
            raise InputError.of(options, found=found, expected=f"--method {' or '.join(of_frames)}")
        return None
    fields = preset_images(method.presets[preset_name])
    if given.get("weights", WEIGHTS_NONE) not in (WEIGHTS_NONE, WEIGHTS_IMAGENET):
        given["weights"] = str(Path(given["weights"]).absolute())  # workers are started elsewhere
    return ImageOptions(**{**fields, **given})


def _federation(request: Request, method: Method) -> Federation | None:
    given = {name: value for name, value in request.federation_changes.items() if value is not None}
    if not method.federated:
        options = [*map(option_of, given), *_of_clients(request.search)]
        if options:
            federated = [name for name in method_names() if find_method(name).federated]
            found = f"beside --method {method.name}, which is no federation"
            expected = f"--method {' or '.join(federated)}"
            raise InputError.of(", ".join(options), found=found, expected=expected)
        return None
    if not request.search.cpus_per_client and not request.search.gpus_per_client:
        expected = "above 0 where --gpus-per-client is 0: a process that takes nothing cannot be given room"
        raise InputError.of("--cpus-per-client", found="0", expected=expected)
    try:
        federation = Federation(**given)
        if "quorum" in given and federation.on_client_failure != "quorum":  # its default stands in every plan
            found = f"{federation.quorum:g} beside {option_of('on_client_failure')} {federation.on_client_failure}"
            raise FederationError("quorum", found, "it with quorum only")
        return _consistent(federation, request.search)
    except FederationError as error:
        raise InputError.of(option_of(error.name), found=error.found, expected=error.expected) from error


def _of_clients(search: SearchOptions) -> list[str]:
    """Return the options of clients' processes that were given another value than their default."""
    names = ("client_actors", "cpus_per_client", "gpus_per_client", "identities")
    default = {one.name: one.default for one in dataclasses.fields(SearchOptions)}
    return [f"--{name.replace('_', '-')}" for name in names if getattr(search, name) != default[name]]


def _consistent(federation: Federation, search: SearchOptions) -> Federation:
    """Refuse processes of several clients beside secure sums, and identities without them."""
    if federation.secure_sum and search.client_actors != "auto":
        found = f"{search.client_actors} beside --secure-sum"
        raise InputError.of("--client-actors", found=found, expected="auto: each client has its own process")
    if search.identities is not None and not federation.secure_sum:
        raise InputError.of("--identities", found="without --secure-sum", expected="both or neither")
    return federation


def _without_shared_statistics(protocol: Protocol, request: Request, method: Method, gather: Gather) -> Protocol:
    """A federation has no statistics over all training people: their frames never meet; each scales its own."""
    if not method.federated or method.features == "frames" or protocol.scaling != "train":
        return protocol
    if request.protocol_changes.get("scaling") == "train":
        problem = Problem(
            where="--scaling",
            found="train, statistics over the frames of all training people",
            expected="participant or none: in a federation no two people's frames meet",
        )
        gather.problems.append(problem)
    # Strictly, nothing of the held-out people is measured; nothing of the others can be.
    return dataclasses.replace(protocol, scaling="none")
