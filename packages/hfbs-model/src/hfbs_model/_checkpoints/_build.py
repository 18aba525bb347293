"""Models without initial values, for weights that are there already."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import get_ident
from typing import cast

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook


@contextmanager
def no_initial_values() -> Generator[None]:
    """Modules built inside have parameters with shapes and no memory, so that nothing is drawn at random and no page is
    touched. Buffers are as always.
    """
    thread = get_ident()
    shells: dict[int, tuple[nn.Parameter, nn.Parameter]] = {}

    def without_memory(_module: nn.Module, _name: str, parameter: Tensor) -> nn.Parameter | None:
        if get_ident() != thread or not isinstance(parameter, nn.Parameter):
            return None
        if id(parameter) not in shells:  # a parameter under several names stays one; kept, so that its id is not reused
            shell = nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
            shells[id(parameter)] = shells[id(shell)] = (parameter, shell)
        return shells[id(parameter)][1]

    # PyTorch's annotation leaves out that a hook may return the parameter to register.
    hook = register_module_parameter_registration_hook(cast("Callable[..., None]", without_memory))
    try:
        yield
    finally:
        hook.remove()
