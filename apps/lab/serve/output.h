#pragma once

// output: what a server does with the bytes of one read when it prints them.

#include <cstddef>
#include <span>

#include "serve/server.h"

namespace lab {

// published_form: which of the paper's two programs a paradigm takes after.
enum class published_form : unsigned char {
  c,   // reads up to 4096 bytes; printf of the count, then of the text, through stdio's buffer
  go,  // reads up to 1024 bytes; quotes the text and writes it at once: a write(2) per read
};

class output {
 public:
  output(variant how, published_form form) noexcept : how_(how), form_(form) {}

  // buffer_size: how much a read takes at most.
  [[nodiscard]] std::size_t buffer_size() const noexcept {
    return how_ == variant::as_published && form_ == published_form::go ? 1024 : 4096;
  }

  // print: to standard output. From any thread.
  void print(std::span<const char> bytes) const;

 private:
  variant how_;
  published_form form_;
};

}  // namespace lab
