"""semihard: synthetic training sets for face recognition, from similarity-controlled generation to a verified table.

Importing the package costs no torch: it only prepares torchvision for machines whose torch has no CUDA.
"""

from semihard.compute import torchvision_cpu
from semihard.workflow import moved_modules

torchvision_cpu.install()
moved_modules.install()
