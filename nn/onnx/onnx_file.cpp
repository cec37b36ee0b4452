// The one file of the importer that knows protobuf.
#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/text.hpp"
#include "nn/onnx/graph.hpp"

#if defined(INTANDEM_ONNX)
#include <onnx/onnx_pb.h>
#endif

namespace intandem {

std::string OnnxNode::str() const {
  const std::string shown = !name.empty() ? name : outputs.empty() ? std::string() : outputs[0];
  return "node '" + printable(shown) + "' (" + printable(op) + ")";
}

#if !defined(INTANDEM_ONNX)

bool has_onnx() { return false; }

OnnxGraph read_onnx(const std::string& path) {
  throw Error(path, "this program was built without ONNX",
              "install libonnx-dev libprotobuf-dev and build again");
}

#else

bool has_onnx() { return true; }

namespace {

constexpr std::int64_t kOldestOpset = 9;
constexpr std::int64_t kMaxFile_bytes = std::int64_t{1} << 31;  // protobuf's own limit
constexpr int kMaxRank = 8;
constexpr const char* kExportAgain = "export the network again";

class Reader {
 public:
  explicit Reader(const std::string& path) { graph_.path = path; }

  OnnxGraph read() {
    onnx::ModelProto model;
    parse(model);
    for (const auto& set : model.opset_import()) {
      if (set.domain().empty() || set.domain() == "ai.onnx") graph_.opset = set.version();
    }
    if (!model.has_graph() || model.graph().node_size() == 0) {
      fail("holds no ONNX graph", "give a model exported to ONNX");
    }
    if (graph_.opset < kOldestOpset) {
      fail("is of ONNX operator set " + std::to_string(graph_.opset),
           "export with opset_version 9 or later");
    }
    const onnx::GraphProto& graph = model.graph();
    if (graph.sparse_initializer_size() > 0) fail("holds sparse weights", "store them dense");
    for (const auto& tensor : graph.initializer()) {
      graph_.initializers[tensor.name()] =
          read_tensor(tensor, "initializer '" + printable(tensor.name()) + "'");
    }
    for (const auto& node : graph.node()) graph_.nodes.push_back(read_node(node));
    for (const auto& input : graph.input()) {
      if (graph_.initializers.count(input.name()) == 0) graph_.inputs.push_back(read_value(input));
    }
    for (const auto& output : graph.output()) graph_.outputs.push_back(output.name());
    return std::move(graph_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const {
    throw Error(graph_.path, problem, remedy);
  }

  void parse(onnx::ModelProto& model) const {
    FileReader file(graph_.path, "check the path");
    if (file.size_bytes() >= kMaxFile_bytes) {
      fail("is larger than protobuf allows (2 GB)", "export a smaller network");
    }
    std::string bytes(static_cast<std::size_t>(file.size_bytes()), '\0');
    file.read(bytes.data(), file.size_bytes());
    if (!model.ParseFromString(bytes)) {
      fail("is truncated, damaged or no ONNX file", kExportAgain);
    }
  }

  OnnxNode read_node(const onnx::NodeProto& proto) const {
    OnnxNode node{proto.name(), proto.op_type(), proto.domain(), {}, {}, {}};
    node.inputs.assign(proto.input().begin(), proto.input().end());
    node.outputs.assign(proto.output().begin(), proto.output().end());
    for (const auto& each : proto.attribute()) {
      const std::string what = node.str() + ", attribute " + printable(each.name());
      OnnxAttribute attribute;
      attribute.kind = onnx::AttributeProto::AttributeType_Name(each.type());
      attribute.i = each.i();
      attribute.f = each.f();
      attribute.s = each.s();
      attribute.ints.assign(each.ints().begin(), each.ints().end());
      attribute.floats.assign(each.floats().begin(), each.floats().end());
      if (each.has_t()) attribute.tensor = read_tensor(each.t(), what);
      node.attributes[each.name()] = std::move(attribute);
    }
    return node;
  }

  OnnxValue read_value(const onnx::ValueInfoProto& proto) const {
    OnnxValue value;
    value.name = proto.name();
    const auto& type = proto.type().tensor_type();
    value.type = onnx::TensorProto::DataType_Name(
        static_cast<onnx::TensorProto::DataType>(type.elem_type()));
    for (const auto& dim : type.shape().dim()) {
      value.dims.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
    }
    return value;
  }

  /// `count` elements of T from raw_data if there is any, else from the field of the type.
  template <class T, class Field>
  std::vector<T> elements(const onnx::TensorProto& proto, const Field& field, std::int64_t count,
                          const std::string& what) const {
    std::vector<T> values;
    const std::string& raw = proto.raw_data();
    const bool is_raw = proto.has_raw_data();
    const std::int64_t held = is_raw ? static_cast<std::int64_t>(raw.size() / sizeof(T))
                                     : static_cast<std::int64_t>(field.size());
    if (held != count || (is_raw && raw.size() % sizeof(T) != 0)) {
      fail(what + " has a shape of " + std::to_string(count) + " elements and data of " +
               std::to_string(held),
           "the file is damaged; export the network again");
    }
    values.resize(static_cast<std::size_t>(count));
    if (is_raw && count > 0) {
      std::memcpy(values.data(), raw.data(), raw.size());
    } else {
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<T>(field[static_cast<int>(i)]);
      }
    }
    return values;
  }

  OnnxTensor read_tensor(const onnx::TensorProto& proto, const std::string& what) const {
    OnnxTensor tensor;
    if (proto.data_location() == onnx::TensorProto::EXTERNAL || proto.external_data_size() > 0) {
      fail(what + " keeps its data in another file",
           "export with the weights inside (external_data=False)");
    }
    if (proto.has_segment()) fail(what + " is stored in segments", kExportAgain);
    if (proto.dims_size() > kMaxRank) fail(what + " has too many dimensions", kExportAgain);
    std::int64_t count = 1;
    for (const std::int64_t dim : proto.dims()) {
      if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) {
        fail(what + " has an impossible shape", kExportAgain);
      }
      tensor.dims.push_back(dim);
    }
    const auto take_ints = [&](const auto& values) {
      tensor.ints.assign(values.begin(), values.end());
    };
    tensor.is_float = false;
    switch (proto.data_type()) {
      case onnx::TensorProto::FLOAT:
        tensor.is_float = true;
        tensor.floats = elements<float>(proto, proto.float_data(), count, what);
        break;
      case onnx::TensorProto::DOUBLE: {
        tensor.is_float = true;
        for (const double v : elements<double>(proto, proto.double_data(), count, what)) {
          tensor.floats.push_back(static_cast<float>(v));
        }
        break;
      }
      case onnx::TensorProto::INT64:
        tensor.ints = elements<std::int64_t>(proto, proto.int64_data(), count, what);
        break;
      case onnx::TensorProto::INT32:
        take_ints(elements<std::int32_t>(proto, proto.int32_data(), count, what));
        break;
      case onnx::TensorProto::UINT8:
      case onnx::TensorProto::BOOL:
        take_ints(elements<std::uint8_t>(proto, proto.int32_data(), count, what));
        break;
      case onnx::TensorProto::INT8:
        take_ints(elements<std::int8_t>(proto, proto.int32_data(), count, what));
        break;
      default:
        fail(what + " is of type " +
                 onnx::TensorProto::DataType_Name(
                     static_cast<onnx::TensorProto::DataType>(proto.data_type())),
             "export in float32 (model.float() before the export)");
    }
    for (std::size_t i = 0; i < tensor.floats.size(); ++i) {
      if (std::isfinite(tensor.floats[i])) continue;
      fail(what + " holds " + (std::isnan(tensor.floats[i]) ? "NaN" : "an infinite value") +
               " (element " + std::to_string(i) + ")",
           "training diverged or the file is damaged; train or export again");
    }
    return tensor;
  }

  OnnxGraph graph_;
};

}  // namespace

OnnxGraph read_onnx(const std::string& path) { return Reader(path).read(); }

#endif

}  // namespace intandem
