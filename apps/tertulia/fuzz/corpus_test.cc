// The fuzzer's corpus and random mutations of it, in every test run. TERTULIA_SEED repeats a run.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/check_lines.h"

namespace tertulia::fuzz {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(TERTULIA_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return out;
}

// mutate: cuts, repeats, overwrites or splices in a piece of another seed.
void mutate(std::string& text, const std::vector<std::string>& seeds, std::mt19937_64& random) {
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
  const std::size_t at = below(text.size() + 1), size = below(text.size() - at + 1);
  switch (below(5)) {
    case 0: text.erase(at, size); break;
    case 1: text.insert(at, text.substr(at, size)); break;
    case 2: text.insert(at, 1, static_cast<char>(below(256))); break;
    case 3: text.insert(at, below(6000), "@:; \r\nax"[below(8)]); break;
    default: {
      const std::string& other = seeds[below(seeds.size())];
      text.insert(at, other.substr(below(other.size() + 1)));
    }
  }
  if (text.size() > 20000) text.resize(20000);
}

TEST(fuzz_lines, the_corpus_and_its_mutations_hold) {
  const auto seeds = corpus();
  ASSERT_GE(seeds.size(), 8U);
  for (const auto& seed : seeds) check_lines(seed);
  const char* given = std::getenv("TERTULIA_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("TERTULIA_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (auto times = random() % 4 + 1; times > 0; --times) mutate(text, seeds, random);
    check_lines(text);
  }
}

}  // namespace
}  // namespace tertulia::fuzz
