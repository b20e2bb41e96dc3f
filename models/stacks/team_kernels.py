# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return, untyped-decorator, misc, assignment"
"""Triton kernels for recurrent weights that do not fit on one multiprocessor: a team of programs per cell.

A program keeps the weights that lead to some hidden units on the chip for the whole sequence. Forward, the programs of
a team hand each other their units' states at every step; back, each multiplies the gradients of its own gates by its
own weights and hands each other program its part of the sum, which is added in a fixed order. What is handed over goes
through memory and a counter per team: all programs must run at the same time (a cooperative launch). With one step per
launch nobody waits, which is how Triton's interpreter runs them.

Shapes: as in `models.stacks.kernels`; U units of a program, P = HP / U programs of a team, GP gates rounded up to a
power of two. Columns of a program's weights are unit by unit, so that a unit's gates lie beside each other.
"""

import triton
import triton.language as tl

from models.stacks.kernel_parts import load_weights, rounded, tanh, times

TANH: tl.constexpr = tl.constexpr(0)
GRU: tl.constexpr = tl.constexpr(1)
LSTM: tl.constexpr = tl.constexpr(2)


@triton.jit
def _hand_over(counter_p):
    """Say that this program has written a step."""
    tl.debug_barrier()
    tl.atomic_add(counter_p, 1, sem="release")


@triton.jit
def _wait_for(counter_p, number):
    """Wait until so many steps of the team's programs are written."""
    while tl.atomic_add(counter_p, 0, sem="acquire") < number:
        pass


@triton.jit
def _gates_apart(both, BP: tl.constexpr, U: tl.constexpr):
    """Return four gates (BP, U) of (BP, 4 U)."""
    even, odd = tl.split(tl.reshape(both, (BP, U, 2, 2)))
    first, third = tl.split(even)
    second, fourth = tl.split(odd)
    return first, second, third, fourth


@triton.jit
def _gates_together(first, second, third, fourth, BP: tl.constexpr, U: tl.constexpr):
    """Return (BP, 4 U) of four gates (BP, U)."""
    return tl.reshape(tl.join(tl.join(first, third), tl.join(second, fourth)), (BP, 4 * U))


@triton.jit
def _product(left, right, CHUNKS: tl.constexpr, PRECISION: tl.constexpr):
    """Multiply chunk by chunk, in two sums: a product waits for the one before it in its sum."""
    total = tl.dot(left[0], right[0], input_precision=PRECISION)
    for chunk in tl.static_range(2, CHUNKS, 2):
        total = tl.dot(left[chunk], right[chunk], total, input_precision=PRECISION)
    if CHUNKS > 1:
        other = tl.dot(left[1], right[1], input_precision=PRECISION)
        for chunk in tl.static_range(3, CHUNKS, 2):
            other = tl.dot(left[chunk], right[chunk], other, input_precision=PRECISION)
        total += other
    return total


@triton.jit(do_not_specialize=["cells", "length", "batch", "begin", "end"])
def forward(
    input_p, weight_p, bias_p, h_p, c_p, kept_p, counter_p, cells, length, batch, begin, end,
    KIND: tl.constexpr, G: tl.constexpr, GP: tl.constexpr, H: tl.constexpr, HP: tl.constexpr, U: tl.constexpr,
    KC: tl.constexpr, BP: tl.constexpr, PRECISION: tl.constexpr, HALF: tl.constexpr, KEEP: tl.constexpr,
    APART: tl.constexpr,
):  # fmt: skip
    """The steps from `begin` to `end` of a layer, as `rnn_forward`, `gru_forward` and `lstm_forward` take them.

    From `input_p` (C, L, B, G H), `weight_p` (C, H, G H), `bias_p` (C, G H) to `h_p`, for an LSTM `c_p` (C, T, B, H)
    and, with `KEEP`, `kept_p` (C, L, B, 4 H). `counter_p` has a 0 per team. `cells`, `length`, `batch`: C, L, B; `KIND`
    one of TANH, GRU and LSTM; `G`, `GP`, `H`, `HP`, `U`, `BP`: shapes; `KC` hidden units of a product; `APART`: each of
    three gates has its own product; `PRECISION` and `HALF`: of `models.stacks.kernel_parts`.
    """
    P: tl.constexpr = HP // U
    team, member = tl.program_id(0) // P, tl.program_id(0) % P
    counter_p += team
    blocks = tl.cdiv(batch, BP)
    unit = member * U + tl.arange(0, U)
    column = tl.arange(0, U * GP)
    column_unit, gate = member * U + column // GP, column % GP
    column_there = (column_unit < H) & (gate < G)
    step, handed = batch * H, 0
    for task in range(team, cells * blocks, tl.num_programs(0) // P):
        cell = (task // blocks).to(tl.int64)
        row = task % blocks * BP + tl.arange(0, BP)
        at = (row < batch)[:, None] & (unit < H)[None, :]
        weight_0, weight_1, weight_2 = (), (), ()  # of each gate if APART, else of all in the first
        for chunk in tl.static_range(HP // KC):
            k = chunk * KC + tl.arange(0, KC)
            row_p = weight_p + cell * H * G * H + k[:, None] * G * H
            if APART:
                there = (k < H)[:, None] & (unit < H)[None, :]
                weight_0 += (load_weights(row_p + unit[None, :], there, HALF),)
                weight_1 += (load_weights(row_p + (H + unit)[None, :], there, HALF),)
                weight_2 += (load_weights(row_p + (2 * H + unit)[None, :], there, HALF),)
            else:
                there = (k < H)[:, None] & column_there[None, :]
                weight_0 += (load_weights(row_p + (gate * H + column_unit)[None, :], there, HALF),)
        b_p = bias_p + cell * G * H + unit
        b_0 = tl.load(b_p, unit < H, 0.0)
        if KIND != TANH:
            b_1, b_2 = tl.load(b_p + H, unit < H, 0.0), tl.load(b_p + 2 * H, unit < H, 0.0)
        if KIND == LSTM:
            b_3 = tl.load(b_p + 3 * H, unit < H, 0.0)
        own = row[:, None] * H + unit[None, :]
        state = (cell * (length + 1) + begin) * step
        if KIND == GRU:
            h = tl.load(h_p + state + own, at, 0.0)
        if KIND == LSTM:
            c = tl.zeros((BP, U), tl.float32)
            if begin > 0:
                c = tl.load(c_p + state + own, at, 0.0)
        for t in range(begin, end):
            x_p = input_p + (cell * length + t) * G * step + row[:, None] * G * H + unit[None, :]
            x_0 = tl.load(x_p, at, 0.0)
            if KIND != TANH:
                x_1, x_2 = tl.load(x_p + H, at, 0.0), tl.load(x_p + 2 * H, at, 0.0)
            if KIND == LSTM:
                x_3 = tl.load(x_p + 3 * H, at, 0.0)
            if t > begin:
                handed += P
                _wait_for(counter_p, handed)
            here = h_p + (cell * (length + 1) + t) * step
            parts = ()
            for chunk in tl.static_range(HP // KC):
                k = chunk * KC + tl.arange(0, KC)
                inside = (row < batch)[:, None] & (k < H)[None, :]
                part = tl.load(here + row[:, None] * H + k[None, :], inside, 0.0, cache_modifier=".cg")
                parts += (rounded(part, HALF),)
            if APART:
                to_r, to_z, to_n = (
                    tl.zeros((BP, U), tl.float32),
                    tl.zeros((BP, U), tl.float32),
                    tl.zeros((BP, U), tl.float32),
                )
                for chunk in tl.static_range(HP // KC):
                    to_r = tl.dot(parts[chunk], weight_0[chunk], to_r, input_precision=PRECISION)
                    to_z = tl.dot(parts[chunk], weight_1[chunk], to_z, input_precision=PRECISION)
                    to_n = tl.dot(parts[chunk], weight_2[chunk], to_n, input_precision=PRECISION)
            else:
                both = _product(parts, weight_0, HP // KC, PRECISION)
                if KIND == GRU:
                    to_r, to_z, to_n, _ = _gates_apart(both, BP, U)
            kept = kept_p + (cell * length + t) * 4 * step + row[:, None] * 4 * H + unit[None, :]
            after = (cell * (length + 1) + t + 1) * step + own
            if KIND == TANH:
                tl.store(h_p + after, tanh(x_0 + b_0[None, :] + both), at)
            elif KIND == GRU:
                r = tl.sigmoid(x_0 + b_0[None, :] + to_r)
                z = tl.sigmoid(x_1 + b_1[None, :] + to_z)
                m = b_2[None, :] + to_n
                n = tanh(x_2 + r * m)
                h = n + z * (h - n)
                tl.store(h_p + after, h, at)
            else:
                to_i, to_f, to_g, to_o = _gates_apart(both, BP, U)
                i = tl.sigmoid(x_0 + b_0[None, :] + to_i)
                f = tl.sigmoid(x_1 + b_1[None, :] + to_f)
                g = tanh(x_2 + b_2[None, :] + to_g)
                o = tl.sigmoid(x_3 + b_3[None, :] + to_o)
                c = f * c + i * g
                tl.store(h_p + after, o * tanh(c), at)
            if t + 1 < end:
                _hand_over(counter_p)
            if KEEP and KIND == GRU:
                tl.store(kept, r, at)
                tl.store(kept + H, z, at)
                tl.store(kept + 2 * H, m, at)
                tl.store(kept + 3 * H, n, at)
            if KEEP and KIND == LSTM:
                tl.store(kept, i, at)
                tl.store(kept + H, f, at)
                tl.store(kept + 2 * H, g, at)
                tl.store(kept + 3 * H, o, at)
            if KIND == LSTM:
                tl.store(c_p + after, c, at)


@triton.jit(do_not_specialize=["cells", "length", "batch", "begin", "end"])
def backward(
    grad_p, weight_p, h_p, c_p, kept_p, gate_grad_p, input_n_grad_p, carry_p, sum_p, counter_p,
    cells, length, batch, begin, end,
    KIND: tl.constexpr, G: tl.constexpr, GP: tl.constexpr, H: tl.constexpr, HP: tl.constexpr, U: tl.constexpr,
    BP: tl.constexpr, PRECISION: tl.constexpr, HALF: tl.constexpr, APART: tl.constexpr,
):  # fmt: skip
    """Gradients of the gates, as `rnn_backward`, `gru_backward` and `lstm_backward` leave them.

    Steps are counted from the last one: from `begin` to `end`. `sum_p` (teams, 2, P, BP, HP) is what programs hand
    over, in turns; `carry_p` (C, B, H) what a unit hands itself from launch to launch; the rest as in `forward`:
    `grad_p`, `weight_p`, `h_p`, `c_p`, `kept_p` are read, `gate_grad_p` and for a GRU `input_n_grad_p` written,
    `counter_p`, `cells`, `length`, `batch`, `KIND`, `G`, `GP`, `H`, `HP`, `U`, `BP`, `PRECISION`, `HALF`, `APART`
    the same.
    """
    P: tl.constexpr = HP // U
    team, member = tl.program_id(0) // P, tl.program_id(0) % P
    counter_p += team
    sum_p += team * 2 * P * BP * HP
    blocks = tl.cdiv(batch, BP)
    unit = member * U + tl.arange(0, U)
    column = tl.arange(0, U * GP)
    column_unit, gate = member * U + column // GP, column % GP
    column_there = (column_unit < H) & (gate < G)
    k, line = tl.arange(0, HP), tl.arange(0, BP)
    step, handed, turn = batch * H, 0, begin
    for task in range(team, cells * blocks, tl.num_programs(0) // P):
        cell = (task // blocks).to(tl.int64)
        row = task % blocks * BP + line
        at = (row < batch)[:, None] & (unit < H)[None, :]
        row_p = weight_p + cell * H * G * H + k[None, :] * G * H
        if APART:
            there = (k < H)[None, :] & (unit < H)[:, None]
            weight_r = load_weights(row_p + unit[:, None], there, HALF)
            weight_z = load_weights(row_p + (H + unit)[:, None], there, HALF)
            weight_n = load_weights(row_p + (2 * H + unit)[:, None], there, HALF)
        else:
            there = (k < H)[None, :] & column_there[:, None]
            weight = load_weights(row_p + (gate * H + column_unit)[:, None], there, HALF)
        own = row[:, None] * H + unit[None, :]
        carry = tl.zeros((BP, U), tl.float32)
        if begin > 0:
            carry = tl.load(carry_p + cell * step + own, at, 0.0)
        for number in range(begin, end):
            t = length - 1 - number
            kept = kept_p + (cell * length + t) * 4 * step + row[:, None] * 4 * H + unit[None, :]
            before = (cell * (length + 1) + t) * step + own
            dh = tl.load(grad_p + (cell * length + t) * step + own, at, 0.0)
            if KIND == TANH:
                h = tl.load(h_p + before + step, at, 0.0)
            elif KIND == GRU:
                r, z = tl.load(kept, at, 0.0), tl.load(kept + H, at, 0.0)
                m, n = tl.load(kept + 2 * H, at, 0.0), tl.load(kept + 3 * H, at, 0.0)
                h = tl.load(h_p + before, at, 0.0)
            else:
                i, f = tl.load(kept, at, 0.0), tl.load(kept + H, at, 0.0)
                g, o = tl.load(kept + 2 * H, at, 0.0), tl.load(kept + 3 * H, at, 0.0)
                tanh_c = tanh(tl.load(c_p + before + step, at, 0.0))
                c = tl.load(c_p + before, at, 0.0)
            if number > begin:
                handed += P
                _wait_for(counter_p, handed)
            if number > 0:
                from_p = sum_p + (turn + 1) % 2 * P * BP * HP + line[:, None] * HP + unit[None, :]
                for other in tl.static_range(P):
                    dh += tl.load(from_p + other * BP * HP, at, 0.0, cache_modifier=".cg")
            to_gate = gate_grad_p + (cell * length + t) * G * step + row[:, None] * G * H + unit[None, :]
            if KIND == TANH:
                d = dh * (1.0 - h * h)
                tl.store(to_gate, d, at)
                both = d
            elif KIND == GRU:
                dh += carry
                d_n = dh * (1.0 - z) * (1.0 - n * n)
                d_z = dh * (h - n) * z * (1.0 - z)
                d_r = d_n * m * r * (1.0 - r)
                d_m = d_n * r
                carry = dh * z
                if not APART:
                    both = _gates_together(d_r, d_z, d_m, tl.zeros_like(d_m), BP, U)
            else:
                dc = carry + dh * o * (1.0 - tanh_c * tanh_c)
                d_i = dc * g * i * (1.0 - i)
                d_f = dc * c * f * (1.0 - f)
                d_g = dc * i * (1.0 - g * g)
                d_o = dh * tanh_c * o * (1.0 - o)
                carry = dc * f
                both = _gates_together(d_i, d_f, d_g, d_o, BP, U)
            if t > 0:
                if APART:
                    parts = times(d_r, weight_r, PRECISION, HALF)
                    parts = tl.dot(rounded(d_z, HALF), weight_z, parts, input_precision=PRECISION)
                    parts = tl.dot(rounded(d_m, HALF), weight_n, parts, input_precision=PRECISION)
                else:
                    parts = times(both, weight, PRECISION, HALF)
                to_p = sum_p + (turn % 2 * P + member) * BP * HP
                tl.store(to_p + line[:, None] * HP + k[None, :], parts, (row < batch)[:, None] & (k < H)[None, :])
                turn += 1
                if number + 1 < end:
                    _hand_over(counter_p)
            if KIND == GRU:
                tl.store(to_gate, d_r, at)
                tl.store(to_gate + H, d_z, at)
                tl.store(to_gate + 2 * H, d_m, at)
                tl.store(input_n_grad_p + (cell * length + t) * step + own, d_n, at)
            elif KIND == LSTM:
                tl.store(to_gate, d_i, at)
                tl.store(to_gate + H, d_f, at)
                tl.store(to_gate + 2 * H, d_g, at)
                tl.store(to_gate + 3 * H, d_o, at)
        if end < length:
            tl.store(carry_p + cell * step + own, carry, at)
