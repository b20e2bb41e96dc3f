# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return, untyped-decorator, misc"
"""What the Triton kernels of recurrent layers are made of."""

import triton
import triton.language as tl


@triton.jit
def rounded(value, HALF: tl.constexpr):
    """Return an operand of a product: with HALF rounded to bfloat16."""
    if HALF:
        value = value.to(tl.bfloat16)
    return value


@triton.jit
def times(left, right, PRECISION: tl.constexpr, HALF: tl.constexpr):
    """Return left @ right in float32; with HALF from operands rounded to bfloat16, `right` already is."""
    return tl.dot(rounded(left, HALF), right, input_precision=PRECISION)


@triton.jit
def load_weights(pointer, inside, HALF: tl.constexpr):
    """Load weights, 0 outside."""
    return rounded(tl.load(pointer, inside, 0.0), HALF)


@triton.jit
def tanh(x):
    """Return tanh(x) by a sigmoid, since Triton's interpreter knows no other."""
    return 2.0 * tl.sigmoid(2.0 * x) - 1.0
