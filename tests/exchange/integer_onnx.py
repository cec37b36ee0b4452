"""The integer operators of `intandem export --onnx` in numpy, after their definitions in ONNX.

A second opinion where ONNX Runtime is not at hand, and a list of all that the graphs may hold.
"""

import numpy as np
import onnx
from onnx import numpy_helper

FLOAT_TYPES = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE,
               onnx.TensorProto.BFLOAT16}


def float_tensors(model):
    """Names of everything in the graph that is of a float type: shall be none."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = list(graph.input) + list(graph.output) + list(graph.value_info)
    found = [v.name for v in values if v.type.tensor_type.elem_type in FLOAT_TYPES]
    found += [t.name for t in graph.initializer if t.data_type in FLOAT_TYPES]
    typed = {v.name for v in values} | {t.name for t in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type in (onnx.AttributeProto.FLOAT, onnx.AttributeProto.FLOATS):
                found.append(node.name + "." + attribute.name)
        # What has no known type could be anything.
        found += [name for name in node.output if name not in typed]
    return found


def windows(x, kernel, strides):
    """[N, C, P, Q, R, S] of x [N, C, H, W]."""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return view[:, :, ::strides[0], ::strides[1]]


def conv_integer(x, w, x_zero, w_zero, group=1, kernel_shape=None, pads=(0, 0, 0, 0), strides=(1, 1)):
    x = x.astype(np.int64) - int(x_zero)
    w = w.astype(np.int64) - int(w_zero)
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    x = windows(x, w.shape[2:], strides)
    parts = [np.einsum("ncpqrs,kcrs->nkpq", xs, ws, optimize=True)
             for xs, ws in zip(np.split(x, group, 1), np.split(w, group, 0))]
    return np.concatenate(parts, 1).astype(np.int32)


def matmul_integer(a, b, a_zero, b_zero):
    return ((a.astype(np.int64) - int(a_zero)) @ (b.astype(np.int64) - int(b_zero))).astype(np.int32)


def divide(a, b):
    """ONNX divides integers as C does, towards 0."""
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def reshape(x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])


OPERATORS = {
    "ConvInteger": conv_integer,
    "MatMulInteger": matmul_integer,
    "Add": np.add,
    "Mul": np.multiply,
    "Div": divide,
    "Clip": lambda x, low, high: np.clip(x, low, high),
    "Cast": lambda x, to: x.astype(onnx.mapping.TENSOR_TYPE_TO_NP_TYPE[to]
                                   if hasattr(onnx, "mapping") else onnx.helper.tensor_dtype_to_np_dtype(to)),
    "MaxPool": lambda x, kernel_shape, strides: windows(x, kernel_shape, strides).max((4, 5)),
    "Flatten": lambda x, axis: x.reshape(x.shape[0], -1),
    "Reshape": reshape,
    "Transpose": lambda x, perm: x.transpose(perm),
    "Identity": lambda x: x,
}


def run(model, image):
    """The graph's output for its one input."""
    graph = model.graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    values[graph.input[0].name] = image
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        result = OPERATORS[node.op_type](*(values[name] for name in node.input), **attributes)
        # Types are part of the definition: an operand of another one is an error in ONNX.
        if node.op_type in ("Add", "Mul", "Div"):
            assert values[node.input[0]].dtype == values[node.input[1]].dtype, node.name
        values[node.output[0]] = result
    return values[graph.output[0].name]
