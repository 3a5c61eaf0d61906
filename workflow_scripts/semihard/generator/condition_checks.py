"""Whether a generator can do what a face set asks of it: asked before anything runs, and of the generator's file again."""

from semihard.errors import InputError
from semihard.generator.settings import Diffusion, SyntheticFaces, UnconditionalFaces, operators


def check_conditions(
    method: type[Diffusion] | Diffusion, entry: SyntheticFaces | UnconditionalFaces, whose: str
) -> None:
    """Raises InputError where what the method's samples are conditioned on is not what the face set gives.

    whose: the generator, to begin a sentence with.
    """
    if isinstance(entry, UnconditionalFaces):
        if method.conditioned_on != "nothing":
            raise InputError(f"{whose} is conditioned on inquiries; use source: synthesis, or a generator of method ddpm")
        return
    if method.conditioned_on == "nothing":
        raise InputError(f"{whose} takes no inquiries; use source: unconditional")
    given = operators(entry)
    if given and method.conditioned_on == "image":
        raise InputError(f"{whose} is conditioned on images; leave out {' and '.join(given)}")
    if entry.identities < 2 and any(operator.another_identity for operator in given.values()):
        raise InputError(f"{' and '.join(given)} needs another identity: ask for 2 identities at least")
