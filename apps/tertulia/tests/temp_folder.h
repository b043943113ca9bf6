#pragma once

// temp_folder: a folder of a test's own, removed with all it holds.

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace tertulia {

class temp_folder {
 public:
  temp_folder() {
    std::string name = std::filesystem::temp_directory_path() / "tertulia-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~temp_folder() {
    std::error_code ignored;  // a folder left behind is no reason to end the test binary
    std::filesystem::remove_all(path_, ignored);
  }
  temp_folder(const temp_folder&) = delete;
  temp_folder& operator=(const temp_folder&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace tertulia
