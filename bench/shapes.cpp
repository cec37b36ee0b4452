#include "bench/shapes.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.hpp"

namespace intandem::bench {

std::vector<NamedShape> read_shapes(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw Error(file, "cannot be opened", "run from the repository's root");
  std::vector<NamedShape> shapes;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    line.resize(std::min(line.size(), line.find('#')));
    std::istringstream fields(line);
    NamedShape named;
    if (!(fields >> named.layer)) continue;
    ConvShape& s = named.shape;
    if (!(fields >> s.N >> s.H >> s.W >> s.C >> s.K >> s.R >> s.S >> s.stride >> s.pad)) {
      throw Error(file, "line " + std::to_string(number) + " is not a shape",
                  "write: name N H W C K R S stride pad");
    }
    s.check();
    named.network = std::filesystem::path(file).stem().string();
    shapes.push_back(named);
  }
  return shapes;
}

std::vector<NamedShape> read_all_shapes() {
  const char* directory = std::getenv("INTANDEM_SHAPES");
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(
           directory != nullptr ? directory : "bench/shapes", error)) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  std::vector<NamedShape> all;
  for (const std::string& file : files) {
    for (NamedShape& shape : read_shapes(file)) all.push_back(std::move(shape));
  }
  return all;
}

}  // namespace intandem::bench
