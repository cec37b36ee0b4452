// The one file of the exporter that knows protobuf.
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/version.hpp"
#include "quant/export/onnx_writer.hpp"

#if defined(INTANDEM_ONNX)
#include <onnx/onnx_pb.h>
#endif

namespace intandem {

#if !defined(INTANDEM_ONNX)

struct OnnxWriter::State {};
OnnxWriter::OnnxWriter(const std::string& path, const std::string&) {
  throw Error(path, "this program was built without ONNX",
              "install libonnx-dev libprotobuf-dev and build again");
}
OnnxWriter::~OnnxWriter() = default;
void OnnxWriter::input(const std::string&, Type, const Ints&) {}
void OnnxWriter::output(const std::string&, Type, const Ints&) {}
std::string OnnxWriter::constant(const std::string&, Type, const Ints&, const Ints&) { return {}; }
std::string OnnxWriter::constant(const std::string&, const Ints&, const std::vector<float>&) {
  return {};
}
std::string OnnxWriter::node(const std::string&, const std::vector<std::string>&,
                             const std::string&, const std::map<std::string, std::int64_t>&,
                             const std::map<std::string, Ints>&) {
  return {};
}
std::int64_t OnnxWriter::type_number(Type) { return 0; }
void OnnxWriter::metadata(const std::string&, const std::string&) {}
void OnnxWriter::description(const std::string&) {}
void OnnxWriter::save() const {}

#else

namespace {

constexpr std::int64_t kOpset = 13;     // per-channel QuantizeLinear, Clip of integers
constexpr std::int64_t kIrVersion = 7;  // of that operator set's release, ONNX 1.8
constexpr std::size_t kMaxFile_bytes = (std::size_t{1} << 31) - 1;

onnx::TensorProto::DataType data_type(OnnxWriter::Type type) {
  switch (type) {
    case OnnxWriter::Type::u8:
      return onnx::TensorProto::UINT8;
    case OnnxWriter::Type::s8:
      return onnx::TensorProto::INT8;
    case OnnxWriter::Type::s32:
      return onnx::TensorProto::INT32;
    case OnnxWriter::Type::s64:
      return onnx::TensorProto::INT64;
    case OnnxWriter::Type::f32:
      return onnx::TensorProto::FLOAT;
  }
  return onnx::TensorProto::UNDEFINED;
}

template <class T, class Values>
std::string raw_bytes(const Values& values) {
  std::string bytes;
  bytes.reserve(values.size() * sizeof(T));
  for (const auto& value : values) {
    const T element = static_cast<T>(value);
    bytes.append(reinterpret_cast<const char*>(&element), sizeof element);
  }
  return bytes;
}

void describe(onnx::ValueInfoProto& info, const std::string& name, OnnxWriter::Type type,
              const OnnxWriter::Ints& dims) {
  info.set_name(name);
  auto& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(data_type(type));
  for (const std::int64_t dim : dims) {
    auto& extent = *tensor.mutable_shape()->add_dim();
    if (dim < 0) {
      extent.set_dim_param("N");
    } else {
      extent.set_dim_value(dim);
    }
  }
}

}  // namespace

struct OnnxWriter::State {
  std::string path;
  onnx::ModelProto model;

  onnx::TensorProto& add_constant(const std::string& name, Type type, const Ints& dims) {
    onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(data_type(type));
    for (const std::int64_t dim : dims) tensor.add_dims(dim);
    return tensor;
  }
};

OnnxWriter::OnnxWriter(const std::string& path, const std::string& graph_name)
    : state_(std::make_unique<State>()) {
  state_->path = path;
  onnx::ModelProto& model = state_->model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("intandem");
  model.set_producer_version(intandem_version());
  model.add_opset_import()->set_version(kOpset);
  model.mutable_graph()->set_name(graph_name);
}

OnnxWriter::~OnnxWriter() = default;

void OnnxWriter::input(const std::string& name, Type type, const Ints& dims) {
  describe(*state_->model.mutable_graph()->add_input(), name, type, dims);
}

void OnnxWriter::output(const std::string& name, Type type, const Ints& dims) {
  describe(*state_->model.mutable_graph()->add_output(), name, type, dims);
}

std::string OnnxWriter::constant(const std::string& name, Type type, const Ints& dims,
                                 const Ints& values) {
  std::string bytes;
  switch (type) {
    case Type::u8:
      bytes = raw_bytes<std::uint8_t>(values);
      break;
    case Type::s8:
      bytes = raw_bytes<std::int8_t>(values);
      break;
    case Type::s32:
      bytes = raw_bytes<std::int32_t>(values);
      break;
    default:
      bytes = raw_bytes<std::int64_t>(values);
      type = Type::s64;
  }
  state_->add_constant(name, type, dims).set_raw_data(std::move(bytes));
  return name;
}

std::string OnnxWriter::constant(const std::string& name, const Ints& dims,
                                 const std::vector<float>& values) {
  state_->add_constant(name, Type::f32, dims).set_raw_data(raw_bytes<float>(values));
  return name;
}

std::string OnnxWriter::node(const std::string& op, const std::vector<std::string>& inputs,
                             const std::string& output,
                             const std::map<std::string, std::int64_t>& numbers,
                             const std::map<std::string, Ints>& lists) {
  onnx::NodeProto& node = *state_->model.mutable_graph()->add_node();
  node.set_op_type(op);
  node.set_name(output);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  for (const auto& [name, value] : numbers) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(value);
  }
  for (const auto& [name, values] : lists) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t value : values) attribute.add_ints(value);
  }
  return output;
}

std::int64_t OnnxWriter::type_number(Type type) { return data_type(type); }

void OnnxWriter::metadata(const std::string& key, const std::string& value) {
  auto& entry = *state_->model.add_metadata_props();
  entry.set_key(key);
  entry.set_value(value);
}

void OnnxWriter::description(const std::string& text) { state_->model.set_doc_string(text); }

void OnnxWriter::save() const {
  if (state_->model.ByteSizeLong() > kMaxFile_bytes) {
    throw Error(state_->path, "the model is larger than an ONNX file can be (2 GB)",
                "export a smaller one");
  }
  write_file_atomic(state_->path, state_->model.SerializeAsString());
}

#endif

}  // namespace intandem
