# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return, untyped-decorator, misc"
"""Triton kernels: a recurrent layer over all its time steps in one launch, forward and back; and one step of Adam.

A program takes one cell and 16 of its windows and keeps the cell's recurrent weights on the chip for the whole
sequence. The backward kernels store the gates' gradients only; weight gradients are one product after them. Each step's
values are loaded one step ahead, by hand: loops have one stage and plain pointers, since pipelined loops of several
products have met faults of the compiler.

Shapes: C cells (a model's direction), L window length, T = L + 1, B windows, H hidden, G gates; HP and BP are H and
B rounded up to what a product takes, and everything beyond H and B is 0. Sequences are (C, L, B, ...), weights
(C, H, G H).
"""

import triton
import triton.language as tl

from models.stacks.kernel_parts import load_weights, tanh, times


@triton.jit(do_not_specialize=["length", "batch"])
def rnn_forward(
    input_p, weight_p, bias_p, h_p, length, batch,
    H: tl.constexpr, HP: tl.constexpr, BP: tl.constexpr, PRECISION: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    """h' = tanh(input + W h + b); `h_p` is (C, T, B, H) and its first step is 0.

    From `input_p` (C, L, B, H), `weight_p`, `bias_p` (C, H).
    `length`, `batch`, `H`, `HP`, `BP`: L, B, H, HP, BP; `PRECISION` and `HALF`: of `times`.
    """
    cell = tl.program_id(0).to(tl.int64)
    row, k = tl.program_id(1) * BP + tl.arange(0, BP), tl.arange(0, HP)
    at = (row < batch)[:, None] & (k < H)[None, :]
    square = (k < H)[:, None] & (k < H)[None, :]
    w = load_weights(weight_p + cell * H * H + k[:, None] * H + k[None, :], square, HALF)
    b = tl.load(bias_p + cell * H + k, k < H, 0.0)
    step = batch * H
    here = row[:, None] * H + k[None, :]
    input_p += cell * length * step + here
    h_p += (cell * (length + 1) + 1) * step + here
    h = tl.zeros((BP, HP), tl.float32)
    following = tl.load(input_p, at, 0.0)
    for t in range(length):
        x = following
        input_p += step * tl.minimum(1, length - 1 - t)  # the last step is read twice
        following = tl.load(input_p, at, 0.0)
        h = tanh(x + b[None, :] + times(h, w, PRECISION, HALF))
        h = tl.where(at, h, 0.0)
        tl.store(h_p, h, at)
        h_p += step


@triton.jit(do_not_specialize=["length", "batch"])
def rnn_backward(
    grad_p, weight_p, h_p, gate_grad_p, length, batch,
    H: tl.constexpr, HP: tl.constexpr, BP: tl.constexpr, PRECISION: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    """Gradients of tanh's argument from those of the hidden states.

    From `grad_p` (C, L, B, H), `weight_p`, `h_p` of the forward pass, to `gate_grad_p` (C, L, B, H).
    `length`, `batch`, `H`, `HP`, `BP`: L, B, H, HP, BP; `PRECISION` and `HALF`: of `times`.
    """
    cell = tl.program_id(0).to(tl.int64)
    row, k = tl.program_id(1) * BP + tl.arange(0, BP), tl.arange(0, HP)
    at = (row < batch)[:, None] & (k < H)[None, :]
    square = (k < H)[:, None] & (k < H)[None, :]
    w = load_weights(weight_p + cell * H * H + k[:, None] + k[None, :] * H, square, HALF)
    step = batch * H
    here = row[:, None] * H + k[None, :]
    last = (cell * length + length - 1) * step + here
    grad_p += last
    gate_grad_p += last
    h_p += (cell * (length + 1) + length) * step + here
    dh = tl.zeros((BP, HP), tl.float32)
    next_h, next_grad = tl.load(h_p, at, 0.0), tl.load(grad_p, at, 0.0)
    for t in range(length):
        h = next_h
        dh += next_grad
        back = step * tl.minimum(1, length - 1 - t)  # the first step is read twice
        h_p -= back
        grad_p -= back
        next_h, next_grad = tl.load(h_p, at, 0.0), tl.load(grad_p, at, 0.0)
        d = dh * (1.0 - h * h)
        tl.store(gate_grad_p, d, at)
        dh = times(d, w, PRECISION, HALF)
        gate_grad_p -= step


@triton.jit(do_not_specialize=["length", "batch"])
def gru_forward(
    input_p, weight_p, bias_p, h_p, kept_p, length, batch,
    H: tl.constexpr, HP: tl.constexpr, BP: tl.constexpr,
    PRECISION: tl.constexpr, HALF: tl.constexpr, KEEP: tl.constexpr,
):  # fmt: skip
    """h' = n + z (h - n); r, z = sigmoid(i + W h + b); n = tanh(i + r (W h + b)); KEEP stores r, z, W h + b of n, n.

    From `input_p` (C, L, B, 3 H), `weight_p`, `bias_p` to `h_p` (C, T, B, H), `kept_p` (C, L, B, 4 H).
    `length`, `batch`, `H`, `HP`, `BP`: L, B, H, HP, BP; `PRECISION` and `HALF`: of `times`.
    """
    cell = tl.program_id(0).to(tl.int64)
    row, k = tl.program_id(1) * BP + tl.arange(0, BP), tl.arange(0, HP)
    inside = k < H
    at = (row < batch)[:, None] & inside[None, :]
    square = inside[:, None] & inside[None, :]
    weight_p += cell * H * 3 * H + k[:, None] * 3 * H + k[None, :]
    w_r = load_weights(weight_p, square, HALF)
    w_z = load_weights(weight_p + H, square, HALF)
    w_n = load_weights(weight_p + 2 * H, square, HALF)
    bias_p += cell * 3 * H + k
    b_r, b_z = tl.load(bias_p, inside, 0.0), tl.load(bias_p + H, inside, 0.0)
    b_n = tl.load(bias_p + 2 * H, inside, 0.0)
    step = batch * H
    input_p += cell * length * 3 * step + row[:, None] * 3 * H + k[None, :]
    kept_p += cell * length * 4 * step + row[:, None] * 4 * H + k[None, :]
    h_p += (cell * (length + 1) + 1) * step + row[:, None] * H + k[None, :]
    h = tl.zeros((BP, HP), tl.float32)
    next_r, next_z = tl.load(input_p, at, 0.0), tl.load(input_p + H, at, 0.0)
    next_n = tl.load(input_p + 2 * H, at, 0.0)
    for t in range(length):
        i_r, i_z, i_n = next_r, next_z, next_n
        input_p += 3 * step * tl.minimum(1, length - 1 - t)  # the last step is read twice
        next_r, next_z = tl.load(input_p, at, 0.0), tl.load(input_p + H, at, 0.0)
        next_n = tl.load(input_p + 2 * H, at, 0.0)
        r = tl.sigmoid(i_r + b_r[None, :] + times(h, w_r, PRECISION, HALF))
        z = tl.sigmoid(i_z + b_z[None, :] + times(h, w_z, PRECISION, HALF))
        m = b_n[None, :] + times(h, w_n, PRECISION, HALF)
        n = tanh(i_n + r * m)
        h = tl.where(at, n + z * (h - n), 0.0)
        tl.store(h_p, h, at)
        if KEEP:
            tl.store(kept_p, r, at)
            tl.store(kept_p + H, z, at)
            tl.store(kept_p + 2 * H, m, at)
            tl.store(kept_p + 3 * H, n, at)
            kept_p += 4 * step
        h_p += step


@triton.jit(do_not_specialize=["length", "batch"])
def gru_backward(
    grad_p, weight_p, h_p, kept_p, gate_grad_p, input_n_grad_p, length, batch,
    H: tl.constexpr, HP: tl.constexpr, BP: tl.constexpr, PRECISION: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    """Gradients of what W h + b adds to r, z and n; and, apart, of n's input, which r does not scale.

    From `grad_p`, `weight_p`, `h_p`, `kept_p` to `gate_grad_p` (C, L, B, 3 H), `input_n_grad_p` (C, L, B, H).
    `length`, `batch`, `H`, `HP`, `BP`: L, B, H, HP, BP; `PRECISION` and `HALF`: of `times`.
    """
    cell = tl.program_id(0).to(tl.int64)
    row, k = tl.program_id(1) * BP + tl.arange(0, BP), tl.arange(0, HP)
    inside = k < H
    at = (row < batch)[:, None] & inside[None, :]
    square = inside[:, None] & inside[None, :]
    weight_p += cell * H * 3 * H + k[:, None] + k[None, :] * 3 * H
    w_r = load_weights(weight_p, square, HALF)
    w_z = load_weights(weight_p + H, square, HALF)
    w_n = load_weights(weight_p + 2 * H, square, HALF)
    step = batch * H
    last = cell * length + length - 1
    here = row[:, None] * H + k[None, :]
    grad_p += last * step + here
    input_n_grad_p += last * step + here
    h_p += (cell * (length + 1) + length - 1) * step + here
    kept_p += last * 4 * step + row[:, None] * 4 * H + k[None, :]
    gate_grad_p += last * 3 * step + row[:, None] * 3 * H + k[None, :]
    dh = tl.zeros((BP, HP), tl.float32)
    next_r, next_z = tl.load(kept_p, at, 0.0), tl.load(kept_p + H, at, 0.0)
    next_m, next_n = tl.load(kept_p + 2 * H, at, 0.0), tl.load(kept_p + 3 * H, at, 0.0)
    next_before, next_grad = tl.load(h_p, at, 0.0), tl.load(grad_p, at, 0.0)
    for t in range(length):
        r, z, m, n, before = next_r, next_z, next_m, next_n, next_before
        dh += next_grad
        back = step * tl.minimum(1, length - 1 - t)  # the first step is read twice
        kept_p -= 4 * back
        h_p -= back
        grad_p -= back
        next_r, next_z = tl.load(kept_p, at, 0.0), tl.load(kept_p + H, at, 0.0)
        next_m, next_n = tl.load(kept_p + 2 * H, at, 0.0), tl.load(kept_p + 3 * H, at, 0.0)
        next_before, next_grad = tl.load(h_p, at, 0.0), tl.load(grad_p, at, 0.0)
        d_n = dh * (1.0 - z) * (1.0 - n * n)
        d_z = dh * (before - n) * z * (1.0 - z)
        d_r = d_n * m * r * (1.0 - r)
        d_m = d_n * r
        tl.store(gate_grad_p, d_r, at)
        tl.store(gate_grad_p + H, d_z, at)
        tl.store(gate_grad_p + 2 * H, d_m, at)
        tl.store(input_n_grad_p, d_n, at)
        to_z = dh * z + times(d_z, w_z, PRECISION, HALF)
        dh = to_z + (times(d_r, w_r, PRECISION, HALF) + times(d_m, w_n, PRECISION, HALF))
        input_n_grad_p -= step
        gate_grad_p -= 3 * step


@triton.jit(do_not_specialize=["length", "batch"])
def lstm_forward(
    input_p, weight_p, bias_p, h_p, c_p, kept_p, length, batch,
    H: tl.constexpr, HP: tl.constexpr, BP: tl.constexpr,
    PRECISION: tl.constexpr, HALF: tl.constexpr, KEEP: tl.constexpr,
):  # fmt: skip
    """c' = f c + i g, h' = o tanh(c'); KEEP stores i, f, g, o, and c' in (C, T, B, H), whose first step is 0.

    From `input_p` (C, L, B, 4 H), `weight_p`, `bias_p` to `h_p` and `c_p` (C, T, B, H), `kept_p` (C, L, B, 4 H).
    `length`, `batch`, `H`, `HP`, `BP`: L, B, H, HP, BP; `PRECISION` and `HALF`: of `times`.
    """
    cell = tl.program_id(0).to(tl.int64)
    row, k = tl.program_id(1) * BP + tl.arange(0, BP), tl.arange(0, HP)
    inside = k < H
    at = (row < batch)[:, None] & inside[None, :]
    square = inside[:, None] & inside[None, :]
    weight_p += cell * H * 4 * H + k[:, None] * 4 * H + k[None, :]
    w_i = load_weights(weight_p, square, HALF)
    w_f = load_weights(weight_p + H, square, HALF)
    w_g = load_weights(weight_p + 2 * H, square, HALF)
    w_o = load_weights(weight_p + 3 * H, square, HALF)
    bias_p += cell * 4 * H + k
    b_i, b_f = tl.load(bias_p, inside, 0.0), tl.load(bias_p + H, inside, 0.0)
    b_g, b_o = tl.load(bias_p + 2 * H, inside, 0.0), tl.load(bias_p + 3 * H, inside, 0.0)
    step = batch * H
    input_p += cell * length * 4 * step + row[:, None] * 4 * H + k[None, :]
    kept_p += cell * length * 4 * step + row[:, None] * 4 * H + k[None, :]
    state = (cell * (length + 1) + 1) * step + row[:, None] * H + k[None, :]
    h_p += state
    c_p += state
    h = tl.zeros((BP, HP), tl.float32)
    c = tl.zeros((BP, HP), tl.float32)
    next_i, next_f = tl.load(input_p, at, 0.0), tl.load(input_p + H, at, 0.0)
    next_g, next_o = tl.load(input_p + 2 * H, at, 0.0), tl.load(input_p + 3 * H, at, 0.0)
    for t in range(length):
        x_i, x_f, x_g, x_o = next_i, next_f, next_g, next_o
        input_p += 4 * step * tl.minimum(1, length - 1 - t)  # the last step is read twice
        next_i, next_f = tl.load(input_p, at, 0.0), tl.load(input_p + H, at, 0.0)
        next_g, next_o = tl.load(input_p + 2 * H, at, 0.0), tl.load(input_p + 3 * H, at, 0.0)
        i = tl.sigmoid(x_i + b_i[None, :] + times(h, w_i, PRECISION, HALF))
        f = tl.sigmoid(x_f + b_f[None, :] + times(h, w_f, PRECISION, HALF))
        g = tanh(x_g + b_g[None, :] + times(h, w_g, PRECISION, HALF))
        o = tl.sigmoid(x_o + b_o[None, :] + times(h, w_o, PRECISION, HALF))
        c = tl.where(at, f * c + i * g, 0.0)
        h = tl.where(at, o * tanh(c), 0.0)
        tl.store(h_p, h, at)
        if KEEP:
            tl.store(kept_p, i, at)
            tl.store(kept_p + H, f, at)
            tl.store(kept_p + 2 * H, g, at)
            tl.store(kept_p + 3 * H, o, at)
            tl.store(c_p, c, at)
            kept_p += 4 * step
            c_p += step
        h_p += step


@triton.jit(do_not_specialize=["length", "batch"])
def lstm_backward(
    grad_p, weight_p, c_p, kept_p, gate_grad_p, length, batch,
    H: tl.constexpr, HP: tl.constexpr, BP: tl.constexpr, PRECISION: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    """Gradients of the arguments of i, f, g and o.

    From `grad_p`, `weight_p`, `c_p`, `kept_p` to `gate_grad_p` (C, L, B, 4 H).
    `length`, `batch`, `H`, `HP`, `BP`: L, B, H, HP, BP; `PRECISION` and `HALF`: of `times`.
    """
    cell = tl.program_id(0).to(tl.int64)
    row, k = tl.program_id(1) * BP + tl.arange(0, BP), tl.arange(0, HP)
    inside = k < H
    at = (row < batch)[:, None] & inside[None, :]
    square = inside[:, None] & inside[None, :]
    weight_p += cell * H * 4 * H + k[:, None] + k[None, :] * 4 * H
    w_i = load_weights(weight_p, square, HALF)
    w_f = load_weights(weight_p + H, square, HALF)
    w_g = load_weights(weight_p + 2 * H, square, HALF)
    w_o = load_weights(weight_p + 3 * H, square, HALF)
    step = batch * H
    last = cell * length + length - 1
    grad_p += last * step + row[:, None] * H + k[None, :]
    c_p += (cell * (length + 1) + length) * step + row[:, None] * H + k[None, :]
    kept_p += last * 4 * step + row[:, None] * 4 * H + k[None, :]
    gate_grad_p += last * 4 * step + row[:, None] * 4 * H + k[None, :]
    dh = tl.zeros((BP, HP), tl.float32)
    dc = tl.zeros((BP, HP), tl.float32)
    next_i, next_f = tl.load(kept_p, at, 0.0), tl.load(kept_p + H, at, 0.0)
    next_g, next_o = tl.load(kept_p + 2 * H, at, 0.0), tl.load(kept_p + 3 * H, at, 0.0)
    next_c, next_grad = tl.load(c_p, at, 0.0), tl.load(grad_p, at, 0.0)
    c_p -= step
    next_before = tl.load(c_p, at, 0.0)
    for t in range(length):
        i, f, g, o, c, before = next_i, next_f, next_g, next_o, next_c, next_before
        dh += next_grad
        back = step * tl.minimum(1, length - 1 - t)  # the first step is read twice
        kept_p -= 4 * back
        c_p -= back
        grad_p -= back
        next_i, next_f = tl.load(kept_p, at, 0.0), tl.load(kept_p + H, at, 0.0)
        next_g, next_o = tl.load(kept_p + 2 * H, at, 0.0), tl.load(kept_p + 3 * H, at, 0.0)
        next_c = before
        next_before, next_grad = tl.load(c_p, at, 0.0), tl.load(grad_p, at, 0.0)
        tanh_c = tanh(c)
        dc += dh * o * (1.0 - tanh_c * tanh_c)
        d_i = dc * g * i * (1.0 - i)
        d_f = dc * before * f * (1.0 - f)
        d_g = dc * i * (1.0 - g * g)
        d_o = dh * tanh_c * o * (1.0 - o)
        tl.store(gate_grad_p, d_i, at)
        tl.store(gate_grad_p + H, d_f, at)
        tl.store(gate_grad_p + 2 * H, d_g, at)
        tl.store(gate_grad_p + 3 * H, d_o, at)
        dc = dc * f
        dh = times(d_i, w_i, PRECISION, HALF) + times(d_f, w_f, PRECISION, HALF)
        dh += times(d_g, w_g, PRECISION, HALF) + times(d_o, w_o, PRECISION, HALF)
        gate_grad_p -= 4 * step


@triton.jit
def adam(
    weight_p, grad_p, first_p, second_p, rate_p, root_p, active_p, size, beta_1, beta_2, epsilon, BLOCK: tl.constexpr
):
    """One step of some models' tensor `weight_p` (M, size) by `grad_p`, with the moments `first_p` and `second_p`.

    `rate_p` and `root_p` hold lr / (1 - beta_1^t) and sqrt(1 - beta_2^t) per model; a model whose `active_p` is 0, not
    1, keeps everything. `BLOCK` numbers are one program's; `epsilon` as in Adam.
    """
    model = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    at = place < size * tl.load(active_p + model)
    place += model * size
    grad = tl.load(grad_p + place, at, 0.0)
    first, second = tl.load(first_p + place, at, 0.0), tl.load(second_p + place, at, 0.0)
    first += (1.0 - beta_1) * (grad - first)
    second = beta_2 * second + (1.0 - beta_2) * grad * grad
    change = first * tl.load(rate_p + model) / (tl.sqrt(second) / tl.load(root_p + model) + epsilon)
    tl.store(first_p + place, first, at)
    tl.store(second_p + place, second, at)
    tl.store(weight_p + place, tl.load(weight_p + place, at, 0.0) - change, at)
