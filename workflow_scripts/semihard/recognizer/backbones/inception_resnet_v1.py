"""facenet-pytorch's InceptionResnetV1: any input size, 512 features, already of unit length."""

from torch import nn

from semihard.errors import InputError


def Backbone(image_size: tuple[int, int], embedding_dim: int) -> nn.Module:
    """The network without its classifier. Raises InputError for another length than 512."""
    from facenet_pytorch import InceptionResnetV1

    if embedding_dim != 512:
        raise InputError(f"backbone 'inception_resnet_v1' has 512 features, not {embedding_dim}")
    return InceptionResnetV1(classify=False)
