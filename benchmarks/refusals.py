"""How well versions tell images that are not theirs: `python -m benchmarks.refusals --test DIR --reference DIR`.

Prints, for each version: the share of test photos that is wrongly refused, the accuracy among those that are accepted,
the share of other images that is refused, by kind; then the rule beside others, each at a limit that refuses 2 % of
the test photos. `--more DIR` takes real photos of other things, as they lie in some packages; nothing is copied.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.others import PER_KIND, draw_others
from splitleaf.core.errors import SplitleafError
from splitleaf.core.measures import MEASURES
from splitleaf.core.prediction import Classification
from splitleaf.engine.classifier import Classifier
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.normalization import to_batch
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.images.decoded import decode_image
from splitleaf.importing.images import LabelledImages, find_images, read_labelled_folder
from splitleaf.importing.statistics import wilson_interval

NOVELTY = MEASURES.index("novelty")
WRONGLY_REFUSED = 0.02
NEIGHBOURS = 10
PHOTOS = "photos of other things"

Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--versions", default="v1,v2")
    parser.add_argument("--test", type=Path, required=True, help="folder of class folders that no training saw")
    parser.add_argument("--reference", type=Path, required=True, help="folder of class folders of training")
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="folders of photos of other things")
    parser.add_argument("--per-kind", type=int, default=PER_KIND)
    arguments = parser.parse_args()
    others = encode_others(arguments.per_kind)
    photos = [path.read_bytes() for folder in arguments.more for path in find_images(folder, 1000)]
    if photos:
        others[PHOTOS] = photos
    for version in arguments.versions.split(","):
        measured = Measured(arguments.models / version)
        test, bank = read_labelled_folder(arguments.test), read_labelled_folder(arguments.reference)
        print(f"\n## {version}\n\n{measured.as_table(test, others)}\n\n{measured.compare(test, bank, others)}")


def encode_others(per_kind: int) -> dict[str, list[bytes]]:
    """Return drawn images as uploads, by kind."""
    found: dict[str, list[bytes]] = {}
    for kind, image in draw_others(per_kind):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=92)
        found.setdefault(kind, []).append(file.getvalue())
    return found


class Measured:
    """A version under test."""

    def __init__(self, folder: Path) -> None:
        self.classifier: Classifier = load_classifier(folder)
        self._network = folder / self.classifier.manifest.artifact.file
        self._spec = self.classifier.manifest.preprocessing.input_spec

    def as_table(self, test: LabelledImages, others: Mapping[str, Sequence[bytes]]) -> str:
        labels = [test.folders[place] for place in test.truth]
        answers = self._answers(path.read_bytes() for path in test.paths)
        known = np.array([one.is_familiar for one in answers])
        sure = np.array([one.is_sure for one in answers])
        right = np.array([one.best.label == label for one, label in zip(answers, labels, strict=True)])
        rows = [
            _share("test photos called unfamiliar", ~known),
            _share("test photos called unfamiliar or unsure", ~sure),
            _share("right, of all test photos", right),
            _share("right, of the familiar", right[known]),
            _share("right, of the sure", right[sure]),
        ]
        refused = {kind: self._refused(uploads) for kind, uploads in others.items()}
        rows += [_share(f"refused of {kind}", found) for kind, found in refused.items()]
        drawn = np.concatenate([found for kind, found in refused.items() if kind != PHOTOS])
        return "\n".join(
            ["| of | share (95 % interval) | images |", "|---|---|---|", *rows, _share("all drawn", drawn)]
        )

    def compare(self, test: LabelledImages, reference: LabelledImages, others: Mapping[str, Sequence[bytes]]) -> str:
        """Return a table of rules, each at the limit that refuses 2 % of the test photos."""
        bank = _unit(self._look(path.read_bytes() for path in reference.paths)[1])
        mine = self._strangeness([path.read_bytes() for path in test.paths], bank)
        foreign = self._strangeness([one for uploads in others.values() for one in uploads], bank)
        rows = ["| rule | refused of all others | area under the curve |", "|---|---|---|"]
        for name, values in mine.items():
            limit = np.quantile(values, 1 - WRONGLY_REFUSED)
            area = (values[:, None] < foreign[name]).mean()
            rows.append(f"| {name} | {(foreign[name] > limit).mean():.3f} | {area:.3f} |")
        return "\n".join(rows)

    def _refused(self, uploads: Iterable[bytes]) -> NDArray[np.bool_]:
        return np.array([not one.is_familiar for one in self._answers(uploads)])

    def _answers(self, uploads: Iterable[bytes]) -> list[Classification]:
        tensors = (decode_image(upload, [self._spec]).tensors for upload in uploads)
        return [self.classifier.classify(one).classifications[0] for one in tensors]

    def _strangeness(self, uploads: Sequence[bytes], bank: Floats) -> dict[str, Floats]:
        answers = self._answers(uploads)
        logits, features = self._look(uploads)
        hottest = logits.max(axis=1)
        near = np.sort(_unit(features) @ bank.T, axis=1)[:, -NEIGHBOURS]
        return {
            "low confidence (largest softmax)": np.array([-one.best.confidence for one in answers]),
            "energy of the logits": -(np.log(np.exp(logits - hottest[:, None]).sum(axis=1)) + hottest),
            f"distance to the {NEIGHBOURS}th neighbour of the features": -near,
            "distance to the nearest class, features and appearance": np.array(
                [one.measures[NOVELTY] for one in answers]
            ),
        }

    def _look(self, uploads: Iterable[bytes]) -> tuple[Floats, Floats]:
        """Return logits and features, which the artifact's network computes on its way."""
        runtime, names = self._opened()
        rows = []
        for upload in uploads:
            try:
                tensors = decode_image(upload, [self._spec]).tensors
            except SplitleafError:
                continue
            batch = to_batch(tensors, self._spec, self.classifier.manifest.preprocessing.normalization)
            rows.append([one[0].astype(np.float64) for one in runtime.run_with(batch, names)[1:]])
        logits, features = (np.stack(column) for column in zip(*rows, strict=True))
        return logits, features

    def _opened(self) -> tuple[OnnxRuntime, tuple[str, str]]:
        insight = self.classifier.manifest.insight
        assert insight is not None, "import the version again: its artifact gives no features"
        model = onnx.load(self._network)
        makers = {name: node for node in model.graph.node for name in node.output}
        logits = makers[model.graph.output[0].name].input[0]
        model.graph.output.append(onnx.helper.make_tensor_value_info(logits, onnx.TensorProto.FLOAT, None))
        return OnnxRuntime(model.SerializeToString()), (logits, insight.features_output)


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _share(name: str, found: NDArray[np.bool_]) -> str:
    low, high = wilson_interval(int(found.sum()), len(found))
    return f"| {name} | {found.mean():.3f} ({low:.3f} to {high:.3f}) | {len(found)} |"


if __name__ == "__main__":
    main()
