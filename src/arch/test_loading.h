#pragma once

// loading: for tests: while one lives somebody is in dlopen(3), and holds its lock: what is loaded
// is a FIFO, out of which nothing comes.

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

namespace weft::arch_test {

class loading {
 public:
  loading() {
    std::string directory = std::filesystem::temp_directory_path() / "weft-loading-XXXXXX";
    EXPECT_NE(::mkdtemp(directory.data()), nullptr);
    const std::string fifo = directory + "/fifo";
    EXPECT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    loader_ = std::thread([fifo] { EXPECT_EQ(::dlopen(fifo.c_str(), RTLD_NOW), nullptr); });
    // It can be opened like this when somebody opens it for reading.
    while ((writer_ = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
      std::this_thread::yield();
    std::filesystem::remove_all(directory);
  }
  loading(const loading&) = delete;
  loading& operator=(const loading&) = delete;
  ~loading() {
    ::close(writer_);
    loader_.join();
  }

 private:
  std::thread loader_;
  int writer_ = -1;
};

}  // namespace weft::arch_test
