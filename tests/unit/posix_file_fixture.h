// A private directory of the machine's own file system.
#ifndef LARDER_TESTS_UNIT_POSIX_FILE_FIXTURE_H_
#define LARDER_TESTS_UNIT_POSIX_FILE_FIXTURE_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "larder/file_system.h"

namespace larder {

inline constexpr std::uint64_t page_bytes = 65536;  // a whole number of pages on every machine

template <class T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : std::string(errc_name(result.error().code));
}

inline Result<void> write_text(File& file, std::string_view text, std::uint64_t offset) {
  const auto piece = std::as_bytes(std::span(text));
  return file.write_at(std::span(&piece, 1), offset);
}

inline std::string read_text(File& file, std::size_t bytes, std::uint64_t offset) {
  std::string text(bytes, '?');
  const auto count = file.read_at(std::as_writable_bytes(std::span(text)), offset);
  text.resize(count.value_or(0));
  return text;
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline long open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

class PosixFileFixture : public testing::Test {
 protected:
  PosixFileFixture() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "larder-posix-").string() + std::string(6, 'X');
    path_ = ::mkdtemp(pattern.data());
    directory_ = posix_file_system().open_directory(path_.string()).value();
  }
  ~PosixFileFixture() override { std::filesystem::remove_all(path_); }

  std::unique_ptr<File> create(std::string_view name) {
    return directory_->create_file(name).value();
  }
  std::unique_ptr<File> open(std::string_view name, OpenMode mode = OpenMode::read_write) {
    return directory_->open_file(name, mode).value();
  }
  void cut(std::string_view name, std::uint64_t bytes) {
    std::filesystem::resize_file(path_ / name, bytes);
  }

  std::filesystem::path path_;
  std::unique_ptr<Directory> directory_;
};

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_POSIX_FILE_FIXTURE_H_
