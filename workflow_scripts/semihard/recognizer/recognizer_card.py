"""The card of a recognizer that is given away: what it is, what it was trained on, what it reaches, and on what terms."""

from collections.abc import Mapping

import numpy as np

from semihard.recognizer.model_file import EmbedderSpec
from semihard.storage.card import NOT_STATED, card, knobs, licence_lines, table_of

USE = """```python
import numpy as np
import onnxruntime
from PIL import Image

image = Image.open("face.png").convert("RGB").resize(({resized[1]}, {resized[0]}), Image.BILINEAR)  # aligned as ArcFace aligns
pixels = np.asarray(image, np.float32){crop}{colour}
pixels = ((pixels - {mean}) / {scale}).astype(np.float32).transpose(2, 0, 1)[None]
embedding = onnxruntime.InferenceSession("model.onnx").run(None, {{"pixels": pixels}})[0]
```"""


def recognizer_card(
    name: str,
    licence: str,
    spec: EmbedderSpec,
    training: Mapping,
    trained_on: Mapping,
    verified: Mapping[str, np.ndarray],
    cosine: float,
) -> str:
    """Markdown, with the Hub's metadata at its head.

    training: the provenance of the training; trained_on: what its face set says of itself; verified: by benchmark, accuracy
    per fold; cosine: of the ONNX file to the network.
    """
    top, left = ((a - b) // 2 for a, b in zip(spec.crop_from or spec.image_size, spec.image_size, strict=True))
    height, width = spec.image_size
    use = USE.format(
        resized=spec.crop_from or spec.image_size,
        crop=f"[{top}:{top + height}, {left}:{left + width}]" if spec.crop_from else "",
        colour="[:, :, ::-1]" if spec.colour == "bgr" else "",
        mean=_written(spec.mean),
        scale=_written(spec.scale),
    )
    mean, scale = _written(spec.mean), _written(spec.scale)
    facts = {
        "network": spec.options.get("model", spec.backbone),
        "pixels (height × width)": f"{height} × {width}, {spec.colour.upper()}, (x − {mean}) / {scale}",
        "embedding": f"{spec.embedding_dim} numbers, not normalised; compare by cosine",
        "trained on": trained_on.get("source") or NOT_STATED,
        "licence of what it was trained on": trained_on.get("licence") or NOT_STATED,
        "licence of these weights": licence,
        "least cosine of model.onnx to model.safetensors": f"{cosine:.6f}",
    }
    head = [*licence_lines(licence), "library_name: onnx", "tags: [face-recognition]"]
    lines = ["Turns an aligned face into an embedding.", "", use, "", *table_of(facts)]
    if verified:
        lines += ["", "## Verification", "", "| benchmark | accuracy, % | sd over folds |", "|---|---|---|"]
        lines += [f"| {key} | {100 * folds.mean():.2f} | {100 * folds.std():.2f} |" for key, folds in verified.items()]
    lines += knobs("Trained with", training.get("settings"))
    return card(head, name, lines)


def _written(value: float | tuple[float, ...]) -> str:
    return f"[{', '.join(f'{each:g}' for each in value)}]" if isinstance(value, tuple) else f"{value:g}"
