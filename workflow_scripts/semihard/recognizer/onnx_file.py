"""A recognition network as an ONNX file that says how its pixels are prepared."""

import json
import warnings
from dataclasses import asdict

import torch
from torch import nn

from semihard.errors import InputError
from semihard.recognizer.backbones.onnx import OnnxGraph, open_session
from semihard.recognizer.model_file import EmbedderSpec
from semihard.storage.tensors_file import KEY

LEAST_COSINE = 0.9999  # of what onnxruntime computes to what torch does


def onnx_bytes(network: nn.Module, spec: EmbedderSpec, licence: str = "") -> tuple[bytes, float]:
    """The file, and the least cosine, over some images of noise, of its embeddings to the network's own.

    Input `pixels`: float32 `[n, 3, h, w]`, prepared as its metadata say under the key "semihard" (JSON, `spec` as
    EmbedderSpec has it); output `embedding`: float32 `[n, D]`, not normalised. Any number of images.
    Raises InputError where the network is an ONNX graph already, or the file does not compute the same.
    """
    if isinstance(network, OnnxGraph):
        raise InputError("this network came as an ONNX file; pass that on")
    network = network.eval()
    noise = torch.randn(4, 3, *spec.image_size, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own workings
        program = torch.onnx.export(
            network,
            (noise[:2],),
            input_names=["pixels"],
            output_names=["embedding"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # where in the files of this machine it was written
    about = {"spec": asdict(spec), "licence": licence}
    program.model.metadata_props[KEY] = json.dumps(about)
    graph = program.model_proto.SerializeToString()
    with torch.no_grad():
        expected = network(noise)
    found = torch.from_numpy(open_session(graph).run(["embedding"], {"pixels": noise.numpy()})[0])
    cosine = nn.functional.cosine_similarity(found, expected).min().item()
    if not cosine >= LEAST_COSINE:
        raise InputError(
            f"the ONNX file of this {spec.backbone} gives embeddings of cosine {cosine:.6f} to the network's own, expected "
            f"{LEAST_COSINE} and more; take its model.safetensors"
        )
    return graph, cosine
