// A private directory and a file store in it, in both layouts.
#ifndef LARDER_TESTS_UNIT_FILE_STORE_FIXTURE_H_
#define LARDER_TESTS_UNIT_FILE_STORE_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "format/entry_name.h"
#include "larder/file_system.h"
#include "larder/store.h"
#include "larder/testing/fault_file_system.h"

namespace larder {

inline Fingerprint key(std::uint8_t first, std::uint8_t last = 0) {
  Fingerprint fingerprint;
  fingerprint.bytes[0] = first;
  fingerprint.bytes[31] = last;
  return fingerprint;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// "absent", "error: corrupt", or the payload.
inline std::string content(const Result<std::optional<Artifact>>& found) {
  if (!found) return "error: " + std::string(errc_name(found.error().code));
  return *found ? std::string((*found)->text()) : "absent";
}

template <class T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : std::string(errc_name(result.error().code));
}

inline std::string read_whole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_whole(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<long>(text.size()));
}

class FileStoreFixture : public ::testing::TestWithParam<FileLayout> {
 protected:
  FileStoreFixture() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "larder-").string() + std::string(6, 'X');
    directory_ = ::mkdtemp(pattern.data());
    options_ = {.directory = (directory_ / "store").string(), .layout = GetParam()};
  }

  ~FileStoreFixture() override { std::filesystem::remove_all(directory_); }

  std::shared_ptr<Store> open() const {
    auto store = open_file_store(options_);
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return store.value_or(nullptr);
  }

  // With every operation of the store going by way of faults_.
  std::shared_ptr<Store> open_with_faults() {
    options_.file_system = &faults_;
    return open();
  }

  std::filesystem::path root() const { return options_.directory; }

  std::filesystem::path path_of(const Fingerprint& fingerprint) const {
    return root() / format::entry_path(options_.layout, fingerprint);
  }

  // The folder of an entry, made as a store makes it.
  void make_folder_of(const Fingerprint& fingerprint) const {
    const std::filesystem::path folder = path_of(fingerprint).parent_path();
    std::filesystem::create_directories(folder);
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
  }

  void flip_last_bit(const Fingerprint& fingerprint) const {
    std::string text = read_whole(path_of(fingerprint));
    ASSERT_FALSE(text.empty());
    text.back() = static_cast<char>(text.back() ^ 1);
    write_whole(path_of(fingerprint), text);
  }

  std::vector<std::string> leftovers() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root())) {
      const std::string name = entry.path().filename().string();
      if (format::is_temporary_name(name)) names.push_back(name);
    }
    return names;
  }

  static unsigned mode_of(const std::filesystem::path& path) {
    struct stat status = {};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }

  std::filesystem::path directory_;
  FileStoreOptions options_;
  testing::FaultFileSystem faults_{posix_file_system()};
};

inline std::string layout_name(const ::testing::TestParamInfo<FileLayout>& layout) {
  return layout.param == FileLayout::larder ? "larder" : "vyre";
}

}  // namespace larder

#define LARDER_BOTH_LAYOUTS(Suite)         \
  INSTANTIATE_TEST_SUITE_P(Layouts, Suite, \
                           ::testing::Values(FileLayout::larder, FileLayout::vyre), layout_name)

#endif  // LARDER_TESTS_UNIT_FILE_STORE_FIXTURE_H_
