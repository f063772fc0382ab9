// Runs a fuzz target over kept inputs, files or folders of them. No libFuzzer needed: an ordinary
// test, and the way to look at an input that failed.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz.h"

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void replay(const fs::path& path) {
  const std::string text = read(path);
  std::printf("%s, %zu bytes\n", path.c_str(), text.size());
  std::fflush(stdout);  // so that the last line names the one that ended the process
  larder::fuzz::test_one(larder::fuzz::copy_of(larder::fuzz::bytes_of(text)));
}

std::size_t replay_all(const fs::path& path) {
  if (!fs::is_directory(path)) {
    replay(path);
    return 1;
  }
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(path)) {
    replay(entry.path());
    ++count;
  }
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  larder::fuzz::test_one({});
  for (int i = 1; i < argc; ++i) count += replay_all(argv[i]);
  std::printf("%zu inputs\n", count);
  return count == 0 ? 1 : 0;
}
