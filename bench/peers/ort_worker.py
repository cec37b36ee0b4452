"""AlexNet in ONNX Runtime's int8, as a contender of bench/peers/int_peers.cpp.

Usage: ort_worker.py MODEL.safetensors IMAGES.u8 BATCH THREADS SWEEP_BYTES, then lines on standard input:
  version -> its version        hot, cold -> seconds of one run (cold: caches swept before)
  logits  -> a file with the last run's logits, s32 [N][classes]
Static quantization with the scales of our integer model: u8 activations of zero point 0, s8 weights,
one scale per tensor (QLinearConv, QGemm), so that both compute the same network.
"""
import json
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

path, images_path = sys.argv[1:3]
batch, threads, sweep_bytes = map(int, sys.argv[3:6])


def load(file):
    """(metadata, tensors) of a safetensors file."""
    data = open(file, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    kinds = {"I8": np.int8, "U8": np.uint8, "I32": np.int32}
    meta = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = np.frombuffer(data[8 + length + begin:8 + length + end], kinds[entry["dtype"]])
        tensors[name] = raw.reshape(entry["shape"])
    return meta, tensors


def build(meta, tensors):
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    one = constant("one", np.array(1, np.float32))
    zero_u8 = constant("zero_u8", np.array(0, np.uint8))
    zero_s8 = constant("zero_s8", np.array(0, np.int8))
    value, height, width, channels = "images", *(int(meta[k]) for k in ("height", "width", "channels"))
    for k in range(int(meta["layers"])):
        field = lambda name: int(meta[f"layer.{k}.{name}"])
        weights, bias = tensors[f"layer.{k}.weights"], tensors[f"layer.{k}.bias"]
        linear = meta[f"layer.{k}.kind"] == "linear"
        last = field("max_code") == 0
        if last:
            scale = one
        else:
            m, n = tensors[f"layer.{k}.m"][0], tensors[f"layer.{k}.n"][0]
            scale = constant(f"scale{k}", np.array(m / 2.0**n, np.float32))
        b = constant(f"bias{k}", bias)
        out = f"value{k}"
        # Output scale 1: one code in, `scale` codes out.
        if linear:
            if height:
                # Our order of the inputs is row, column, channel; ONNX flattens channel, row, column.
                weights = weights.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
                weights = weights.reshape(weights.shape[0], -1)
                nodes.append(helper.make_node("Flatten", [value], ["flat"]))
                value, height = "flat", 0
            w = constant(f"weights{k}", weights)
            inputs = [value, scale, zero_u8, w, one, zero_s8, b]
            if not last:
                inputs += [one, zero_u8]
            nodes.append(helper.make_node("QGemm", inputs, [out], domain="com.microsoft", transB=1))
        else:
            w = constant(f"weights{k}", weights.transpose(0, 3, 1, 2))
            nodes.append(helper.make_node(
                "QLinearConv", [value, scale, zero_u8, w, one, zero_s8, one, zero_u8, b], [out],
                strides=[field("stride")] * 2, pads=[field("pad")] * 4,
                kernel_shape=[field("R"), field("S")]))
            height = (height + 2 * field("pad") - field("R")) // field("stride") + 1
            width = (width + 2 * field("pad") - field("S")) // field("stride") + 1
            channels = field("K")
        value = out
        if field("pool_kernel"):
            kernel, step = field("pool_kernel"), field("pool_stride")
            nodes.append(helper.make_node("MaxPool", [value], [f"pool{k}"],
                                          kernel_shape=[kernel] * 2, strides=[step] * 2))
            value, height, width = f"pool{k}", (height - kernel) // step + 1, (width - kernel) // step + 1
    nodes.append(helper.make_node("Identity", [value], ["logits"]))
    size = [batch] + [int(meta[k]) for k in ("channels", "height", "width")]
    graph = helper.make_graph(
        nodes, "alexnet", [helper.make_tensor_value_info("images", TensorProto.UINT8, size)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)], constants)
    return helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])


meta, tensors = load(path)
options = ort.SessionOptions()
options.intra_op_num_threads = threads
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
# Idle threads would otherwise spin into the next contender's turn.
options.add_session_config_entry("session.force_spinning_stop", "1")
session = ort.InferenceSession(build(meta, tensors).SerializeToString(), options,
                               providers=["CPUExecutionProvider"])
images = np.fromfile(images_path, np.uint8).reshape(
    batch, *(int(meta[k]) for k in ("height", "width", "channels")))
feed = {"images": np.ascontiguousarray(images.transpose(0, 3, 1, 2))}
clock = time.process_time if threads == 1 else time.perf_counter
parts = np.array_split(np.zeros(sweep_bytes, np.uint8), threads)
pool = ThreadPoolExecutor(threads)
logits = session.run(None, feed)[0]
for line in sys.stdin:
    if line.strip() == "version":
        print(ort.__version__, flush=True)
    elif line.strip() == "logits":
        name = path + ".logits"
        np.rint(logits).astype(np.int32).tofile(name)
        print(name, flush=True)
    else:
        if line.strip() == "cold":
            list(pool.map(lambda part: np.add(part, 1, out=part), parts))
            time.sleep(0.02)
        start = clock()
        session.run(None, feed)
        print(clock() - start, flush=True)
