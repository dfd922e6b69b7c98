"""The preprocessings that a training may have used: stated ones, and the plausible ones to try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from pydantic import ValidationError

from splitleaf.core.errors import ImportRefused
from splitleaf.core.preprocessing import ColorOrder, ResizeFilter
from splitleaf.registry.drafts import PreprocessingDraft
from splitleaf.registry.manifest import Preprocessing


@dataclass(frozen=True, slots=True)
class Scaling:
    """A customary way to bring 0-255 into the network's range."""

    name: str
    scale: float
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    color: ColorOrder | None = None
    """Set where the scaling belongs to one channel order."""


RAW = Scaling("0..255", 1.0)
SCALINGS = (
    RAW,
    Scaling("x/255", 1 / 255),
    Scaling("x/127.5 - 1", 1 / 127.5, (1.0,)),
    Scaling("torch", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    Scaling("caffe", 1.0, (103.939, 116.779, 123.68), color=ColorOrder.BGR),
)
"""Simplest first. `torch` and `caffe` as `keras.applications.imagenet_utils.preprocess_input` names them."""

FILTERS = (
    ResizeFilter.PILLOW_BILINEAR,
    ResizeFilter.PILLOW_NEAREST,
    ResizeFilter.PILLOW_BICUBIC,
    ResizeFilter.PILLOW_LANCZOS,
    ResizeFilter.TF_BILINEAR,
    ResizeFilter.TF_NEAREST,
    ResizeFilter.TF_BICUBIC,
    ResizeFilter.TF_AREA,
)
"""In the order of preference among equals."""

_SCALING_LAYERS = frozenset({"Rescaling", "Normalization", "TFOpLambda", "TrueDivide"})
"""The last two are arithmetic written between layers, as in `x / 255`."""

_PRESETS = {
    "raw": RAW,
    "0-255": RAW,
    "0-1": SCALINGS[1],
    "1/255": SCALINGS[1],
    "x/255": SCALINGS[1],
    "tf": SCALINGS[2],
    "mobilenet": SCALINGS[2],
    "x/127.5-1": SCALINGS[2],
    "torch": SCALINGS[3],
    "caffe": SCALINGS[4],
}


def parse_preprocessing(text: str) -> PreprocessingDraft:
    """Read `--preprocessing`: entries of `[preprocessing]` and names of scalings, separated by commas.

    For example `1/255,resize=pillow-nearest` or `height=224,width=224,tf`. Raises `ImportRefused`.
    """
    entries: dict[str, object] = {}
    for part in (one.strip() for one in text.split(",")):
        name, equals, value = part.partition("=")
        if equals:
            entries[name.strip()] = _value(value.strip())
        elif part in _PRESETS:
            entries |= _scaling_entries(_PRESETS[part])
        elif part:
            known = ", ".join(_PRESETS)
            raise ImportRefused(f"{part!r} is no preprocessing; known are {known}", code="invalid_preprocessing")
    try:
        return PreprocessingDraft.model_validate(entries)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ImportRefused(faults, code="invalid_preprocessing") from error


def complete(draft: PreprocessingDraft, shape: tuple[int, int, int]) -> Preprocessing:
    """Return the draft with what it leaves open: the network's size and neutral values.

    Raises `ImportRefused` when the draft contradicts the network.
    """
    height, width, channels = shape
    stated = draft.stated()
    defaults = {"height": height, "width": width, "color": ColorOrder.GRAY if channels == 1 else ColorOrder.RGB}
    if channels == 1:
        stated.pop("color", None)
    found = Preprocessing.model_validate(defaults | stated)
    if (found.height, found.width) != (height, width):
        raise ImportRefused(
            f"the network takes {height} x {width} pixels, not {found.height} x {found.width}",
            code="invalid_preprocessing",
        )
    if found.input_spec.channels != channels:
        raise ImportRefused(
            f"the network takes {channels} channels, but the preprocessing says {found.color}",
            code="invalid_preprocessing",
        )
    return found


@dataclass(frozen=True, slots=True)
class Origin:
    """On whose word a preprocessing is taken, and what should make one look twice."""

    words: str
    warnings: tuple[str, ...] = ()


def assume(
    draft: PreprocessingDraft, shape: tuple[int, int, int], layers: Mapping[str, int] | None
) -> tuple[Preprocessing, Origin]:
    """Return the draft, completed by what is most customary, for a version that no labelled image was shown to.

    Most Keras networks without a layer that scales were trained on x/255. `layers` is None for a graph of operations,
    which does not tell its layers: those are exported with their scaling inside more often than not.
    """
    if draft.stated().keys() & {"scale", "mean", "std"}:
        return complete(draft, shape), Origin("as declared; give labelled images with --evaluate to prove it")
    scaling = RAW if layers is None or layers.keys() & _SCALING_LAYERS else SCALINGS[1]
    assumed = PreprocessingDraft.model_validate(_scaling_entries(scaling)).over(draft)
    doubt = (
        f"nothing says how training scaled its images: {scaling.name} is assumed, and a wrong scaling answers "
        "wrongly without any error. Give labelled images with --evaluate, or say it with --preprocessing or in "
        "repository.toml"
    )
    return complete(assumed, shape), Origin("assumed", (doubt,))


def plausible(base: Preprocessing, fixed: PreprocessingDraft) -> tuple[Preprocessing, ...]:
    """Return what training may have done, simplest first: scalings x channel orders x filters.

    What `fixed` states is not varied; what is not tried at all (size, fit, orientation) is that of `base`.
    """
    stated = fixed.stated()
    filters = (ResizeFilter(stated["resize"]),) if "resize" in stated else FILTERS
    variants = [entries | {"resize": resize} for resize, entries in product(filters, _value_variants(base, stated))]
    found = [base.model_copy(update=variant) for variant in variants]
    return tuple(dict.fromkeys(found))


def describe_values(preprocessing: Preprocessing) -> str:
    """Return the scaling in words: `x/255`, or its numbers where it has no name."""
    for scaling in SCALINGS:
        if (scaling.scale, scaling.mean, scaling.std) == (preprocessing.scale, preprocessing.mean, preprocessing.std):
            return scaling.name
    text = f"x*{preprocessing.scale:.6g}"
    if any(preprocessing.mean):
        text = f"{text} - {_numbers(preprocessing.mean)}"
    return text if set(preprocessing.std) == {1.0} else f"({text}) / {_numbers(preprocessing.std)}"


def _value_variants(base: Preprocessing, stated: dict[str, object]) -> Iterator[dict[str, object]]:
    gray = base.color is ColorOrder.GRAY
    colors = (base.color,) if gray or "color" in stated else (ColorOrder.RGB, ColorOrder.BGR)
    if stated.keys() & {"scale", "mean", "std"}:
        for color in colors:
            yield {"color": color}
        return
    for scaling, color in product(SCALINGS, colors):
        fits = scaling.color in (None, color)
        if fits and not (gray and len(scaling.mean) > 1):
            yield {"color": color, **_scaling_entries(scaling)}


def _scaling_entries(scaling: Scaling) -> dict[str, object]:
    entries: dict[str, object] = {"scale": scaling.scale, "mean": scaling.mean, "std": scaling.std}
    return entries | ({"color": scaling.color} if scaling.color else {})


def _value(text: str) -> object:
    """Lists of numbers are written `0.485;0.456;0.406`, fractions `1/255`."""
    if ";" in text:
        return tuple(_value(part) for part in text.split(";"))
    upper, slash, lower = text.partition("/")
    try:
        return float(upper) / float(lower) if slash else (int(text) if text.isdigit() else float(text))
    except (ValueError, ZeroDivisionError):
        return text


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
