// The real file system with a clock of its own.
#ifndef LARDER_TESTS_UNIT_SHIFTED_CLOCK_H_
#define LARDER_TESTS_UNIT_SHIFTED_CLOCK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "larder/file_system.h"

namespace larder {

// The machine's, at another time, which may stand still.
class ShiftedClock final : public FileSystem {
 public:
  Result<std::unique_ptr<Directory>> open_directory(std::string_view path) override {
    return real_.open_directory(path);
  }
  Result<std::string> resolve(std::string_view path) override { return real_.resolve(path); }
  Result<std::string> read_file(std::string_view path, std::size_t max_bytes) override {
    return real_.read_file(path, max_bytes);
  }
  UserInfo user() override { return real_.user(); }
  Result<std::string> random_name() override { return real_.random_name(); }
  std::int64_t now_s() override { return stands_at_s.value_or(real_.now_s()) + later_s; }

  std::optional<std::int64_t> stands_at_s;
  std::int64_t later_s = 0;

 private:
  FileSystem& real_ = posix_file_system();
};

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_SHIFTED_CLOCK_H_
