"""The study's pictures: every function draws one from artifacts and writes the numbers it drew beside it."""
