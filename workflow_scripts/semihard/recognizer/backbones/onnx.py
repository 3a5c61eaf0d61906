"""A network as an ONNX graph, run by onnxruntime: it embeds, and is neither trained nor looked through for gradients."""

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from semihard.errors import InputError


class OnnxGraph(nn.Module):
    """Float pixels `[n, 3, h, w]` to raw features float32 `[n, D]`.

    Its only tensor, `graph`, holds the bytes of the file, uint8 `[size]`, so that a model file keeps it as any other network.
    size: in bytes; axes: the order of the graph's input, "nchw" or "nhwc"; output: the name of the output taken; batch: the
    images that the graph takes at a time, 0 for any number.
    """

    def __init__(self, size: int, axes: str, output: str, batch: int):
        super().__init__()
        self.axes, self.output, self.batch = axes, output, batch
        self.register_buffer("graph", torch.zeros(size, dtype=torch.uint8))
        self.session: onnxruntime.InferenceSession | None = None  # made of `graph` when first needed

    def forward(self, x: Tensor) -> Tensor:
        """Raises InputError where a gradient is asked for, or the graph does not run."""
        if x.requires_grad and torch.is_grad_enabled():
            raise InputError(
                "an embedder of ONNX gives no gradient, which the training of a generator needs; give this embedder as weights "
                "(source: weights, timm or file)"
            )
        if self.session is None:
            self.session = open_session(self.graph.cpu().numpy().tobytes())
        entry = self.session.get_inputs()[0]
        pixels = x.detach().float().cpu().permute(0, 2, 3, 1) if self.axes == "nhwc" else x.detach().float().cpu()
        pixels = pixels.contiguous().numpy().astype(np.float16 if "float16" in entry.type else np.float32, copy=False)
        parts = np.split(pixels, range(self.batch, len(pixels), self.batch)) if self.batch else [pixels]
        try:
            features = [
                self.session.run([self.output], {entry.name: self._filled(part)})[0][: len(part)] for part in parts
            ]
        except Exception as error:  # onnxruntime has a dozen, and no common one
            raise InputError(f"the ONNX graph does not run: {str(error).strip().splitlines()[0]}") from None
        found = torch.from_numpy(np.concatenate(features).astype(np.float32)).to(x.device)
        return found.flatten(1) if found.shape[2:].numel() == 1 else found  # [n, D, 1, 1] is a vector, too

    def _filled(self, part: np.ndarray) -> np.ndarray:
        missing = max(0, self.batch - len(part))
        return np.concatenate([part, np.zeros_like(part, shape=(missing, *part.shape[1:]))]) if missing else part


def Backbone(
    image_size: tuple[int, int], embedding_dim: int, size: int, axes: str = "nchw", output: str = "", batch: int = 0
) -> OnnxGraph:
    """The network whose graph is loaded as its only weight. Sizes are the graph's own."""
    return OnnxGraph(size, axes, output, batch)


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """What runs a graph: on CUDA where this onnxruntime can, on as many threads as torch has. Raises what onnxruntime does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    wanted = ["CUDAExecutionProvider"] if torch.cuda.is_available() else []
    there = onnxruntime.get_available_providers()
    return onnxruntime.InferenceSession(
        graph, options, providers=[name for name in (*wanted, "CPUExecutionProvider") if name in there]
    )
