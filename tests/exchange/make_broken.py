#!/usr/bin/env python3
"""ONNX files that no importer should take: make_broken.py DIR (tests/golden/exchange/broken).

Each is good.onnx, a convolution, batch norm, ReLU, pool and linear layer, with one thing wrong.
"""

import os
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def weights():
    rng = np.random.default_rng(5)

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    return {"conv.weight": draw(4, 3, 3, 3), "bn.weight": draw(4), "bn.bias": draw(4), "bn.mean": draw(4),
            "bn.var": np.abs(draw(4)), "fc.weight": draw(5, 4 * 4 * 4), "fc.bias": draw(5)}


def nodes():
    make = helper.make_node
    return [make("Conv", ["image", "conv.weight"], ["a"], "conv", pads=[1, 1, 1, 1]),
            make("BatchNormalization", ["a", "bn.weight", "bn.bias", "bn.mean", "bn.var"], ["b"], "bn"),
            make("Relu", ["b"], ["c"], "relu"),
            make("MaxPool", ["c"], ["d"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
            make("Flatten", ["d"], ["e"], "flat"),
            make("Gemm", ["e", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1)]


def save(directory, name, change=lambda nodes, weights, tensors: None, opset=13):
    n, w = nodes(), weights()
    tensors = {}
    change(n, w, tensors)
    tensors = {**{k: numpy_helper.from_array(v, k) for k, v in w.items()}, **tensors}
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 5])
    graph = helper.make_graph(n, name, [image], [logits], list(tensors.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 7
    data = model.SerializeToString()
    with open(os.path.join(directory, name + ".onnx"), "wb") as out:
        out.write(data[:len(data) // 2] if name == "truncated" else data)


def external(n, w, tensors):
    tensor = numpy_helper.from_array(w.pop("fc.weight"), "fc.weight")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    tensors["fc.weight"] = tensor


def half(n, w, tensors):
    tensors["fc.weight"] = numpy_helper.from_array(w.pop("fc.weight").astype(np.float16), "fc.weight")


def short(n, w, tensors):
    tensor = numpy_helper.from_array(w.pop("fc.weight"), "fc.weight")
    tensor.raw_data = tensor.raw_data[:-4]
    tensors["fc.weight"] = tensor


def main(directory):
    os.makedirs(directory, exist_ok=True)

    def put(key, value):
        return lambda n, w, t: w.__setitem__(key, value)

    def attribute(at, **changes):
        def change(n, w, t):
            for key, value in changes.items():
                kept = [a for a in n[at].attribute if a.name != key]
                del n[at].attribute[:]
                n[at].attribute.extend(kept + [helper.make_attribute(key, value)])
        return change

    def edit(at, **fields):
        def change(n, w, t):
            for key, value in fields.items():
                if key in ("input", "output"):
                    del getattr(n[at], key)[:]
                    getattr(n[at], key).extend(value)
                else:
                    setattr(n[at], key, value)
        return change

    nan = weights()["conv.weight"]
    nan[1, 2, 0, 1] = np.nan
    save(directory, "good")
    save(directory, "truncated")
    save(directory, "missing-initializer", lambda n, w, t: w.pop("fc.bias"))
    save(directory, "wrong-shape", put("fc.weight", weights()["fc.weight"][:, :60]))
    save(directory, "wrong-channels", put("conv.weight", weights()["conv.weight"][:, :2]))
    save(directory, "external-data", external)
    save(directory, "float16", half)
    save(directory, "short-data", short)
    save(directory, "unknown-operator", edit(2, op_type="Gelu"))
    save(directory, "foreign-domain", edit(2, domain="com.example"))
    save(directory, "cycle", edit(1, input=["c", "bn.weight", "bn.bias", "bn.mean", "bn.var"]))
    save(directory, "nan", put("conv.weight", nan))
    save(directory, "negative-variance", put("bn.var", np.array([1, 1, -0.5, 1], np.float32)))
    save(directory, "zero-variance", put("bn.var", np.zeros(4, np.float32)))  # taken: ε is left
    save(directory, "zero-gamma", put("bn.weight", np.zeros(4, np.float32)))  # taken
    save(directory, "dilated", attribute(0, dilations=[2, 2], pads=[2, 2, 2, 2]))
    save(directory, "uneven-pads", attribute(0, pads=[0, 0, 1, 1]))
    save(directory, "uneven-strides", attribute(0, strides=[1, 2]))
    save(directory, "ceil-mode", attribute(3, ceil_mode=1, kernel_shape=[3, 3]))
    save(directory, "relu6", lambda n, w, t: (edit(2, op_type="Clip", input=["b", "low", "high"])(n, w, t),
                                              w.update(low=np.float32(0), high=np.float32(6))))
    save(directory, "softmax", lambda n, w, t: (edit(5, output=["f"])(n, w, t),
                                                n.append(helper.make_node("Softmax", ["f"], ["logits"], "sm"))))
    save(directory, "old-opset", opset=8)


if __name__ == "__main__":
    main(sys.argv[1])
