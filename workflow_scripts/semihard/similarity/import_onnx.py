"""A recognizer that comes as an ONNX file: what its graph takes and gives, and what it does to pixels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from semihard.errors import InputError
from semihard.recognizer.backbones.onnx import OnnxGraph, open_session
from semihard.recognizer.model_file import EmbedderSpec
from semihard.similarity.settings import OnnxEmbedder
from semihard.storage.tensors_file import KEY

STATED = ("image_size", "colour", "mean", "scale")  # what a file of this workflow says


def read_onnx(settings: OnnxEmbedder, path: Path) -> tuple[OnnxGraph, EmbedderSpec]:
    """The network of an ONNX file, and its specification, after it has embedded an image.

    Raises InputError where it is no such file, does not state how pixels are prepared and the entry does not either, takes
    images of another size or order, or several things, or does not give one vector for each image.
    """
    graph = path.read_bytes()
    try:
        session = open_session(graph)
    except Exception as error:  # onnxruntime has a dozen, and no common one
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path}: onnxruntime cannot load it ({reason})"
            f"{'; its weights lie in files beside it, save it whole' if 'external' in reason.lower() else ''}"
        ) from None
    stated = _stated(session, path)
    inputs, outputs = session.get_inputs(), [output.name for output in session.get_outputs()]
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in ("tensor(float)", "tensor(float16)"):
        raise InputError(
            f"{path}: takes {', '.join(f'{entry.name} {entry.type} {entry.shape}' for entry in inputs)}; expected one input, "
            "images as float [n, 3, h, w]"
        )
    output = settings.output or outputs[0]
    if output not in outputs or (settings.output is None and len(outputs) > 1):
        raise InputError(f"{path}: its outputs are {', '.join(outputs)}; name the embedding in `output`")
    spec = _specification(settings, stated, inputs[0].shape, path)
    batch = inputs[0].shape[0] if isinstance(inputs[0].shape[0], int) else 0
    network = OnnxGraph(len(graph), settings.axes, output, batch)
    network.session = session
    network.graph.copy_(torch.from_numpy(np.frombuffer(graph, np.uint8).copy()))
    return network, _with_dimension(network, spec, path)


def _stated(session: object, path: Path) -> dict:
    """What the file's metadata say of pixels; nothing where another program wrote it."""
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    try:
        about = json.loads(text)["spec"] if text else {}
        return {name: about[name] for name in (*STATED, "crop_from") if about}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: its metadata {KEY!r} are damaged; export it again") from None


def _specification(settings: OnnxEmbedder, stated: dict, shape: list, path: Path) -> EmbedderSpec:
    axes = settings.axes
    channels, *size = (shape[1], *shape[2:]) if axes == "nchw" else (shape[3], *shape[1:3])
    if isinstance(channels, int) and channels != 3:
        raise InputError(
            f"{path}: takes images {shape}, which are not {axes} of three channels"
            f"{'; say axes: ' + ('nhwc' if axes == 'nchw' else 'nchw') if 3 in (shape[1], shape[3]) else ''}"
        )
    given = {name: value for name in STATED if (value := getattr(settings, name)) is not None}
    plain = json.loads(json.dumps(given))
    for name, value in stated.items():
        if name in plain and plain[name] != value:
            raise InputError(f"{path}: says {name} {value}, the entry {plain[name]}; leave the key out")
    about = stated | plain
    if all(isinstance(side, int) for side in size):
        about.setdefault("image_size", size)
        if list(about["image_size"]) != list(size):
            raise InputError(
                f"{path}: takes {size[0]}x{size[1]} pixels (height x width), the entry says "
                f"{about['image_size'][0]}x{about['image_size'][1]}; correct `image_size`"
            )
    if missing := [name for name in STATED if name not in about]:
        raise InputError(
            f"{path}: does not say how pixels are prepared; give {', '.join(missing)} (InsightFace's networks: image_size "
            "[112, 112], colour rgb, mean 127.5, scale 127.5; to make verify, PIXELS='rgb 127.5 127.5')"
        )
    return EmbedderSpec.of({"backbone": "onnx", "embedding_dim": 0, **about})


def _with_dimension(network: OnnxGraph, spec: EmbedderSpec, path: Path) -> EmbedderSpec:
    """The specification with the length of the embeddings and the graph's options, which a run of two images tells."""
    try:
        features = network(torch.zeros(2, 3, *spec.image_size))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if features.ndim != 2 or len(features) != 2 or not features.isfinite().all():
        raise InputError(
            f"{path}: gives {list(features.shape)} for two images, expected one vector of finite numbers for each; name another "
            "`output`, or export it anew with a batch that may vary"
        )
    options = {"size": len(network.graph), "axes": network.axes, "output": network.output, "batch": network.batch}
    return replace(spec, embedding_dim=features.shape[1], options=options)
