// A remote store over a folder, whose files a test may read, damage and replace.
#ifndef LARDER_TESTS_REMOTE_FOLDER_STORE_H_
#define LARDER_TESTS_REMOTE_FOLDER_STORE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "store/remote/remote_store.h"
#include "tests/contract/store_contract.h"
#include "tests/remote/folder_transport.h"
#include "tests/remote/server.h"

namespace larder {

class RemoteStoreTest : public testing::Test {
 protected:
  RemoteStoreTest() { options_.url = "test://folder"; }

  RemoteStore& store() {
    if (!store_) {
      store_ = std::make_unique<RemoteStoreImpl>(options_, [this] {
        return std::make_unique<remote::FolderTransport>(directory_.path(), trouble_);
      });
    }
    return *store_;
  }

  std::filesystem::path file_of(std::uint32_t number) const {
    const std::string hex = numbered(number).hex();
    return directory_.path() / hex.substr(0, 2) / (hex + ".art");
  }

  void put(std::uint32_t number, std::string_view payload, std::string_view recipe = {}) {
    const auto stored = store().put(numbered(number), bytes_of(payload), {.recipe = recipe});
    ASSERT_TRUE(stored) << stored.error().message;
  }

  Errc error_of_get(std::uint32_t number) {
    const auto found = store().get(numbered(number));
    EXPECT_FALSE(found);
    return found ? Errc::absent : found.error().code;
  }

  const ServerDirectory directory_;
  const std::shared_ptr<remote::Trouble> trouble_ = std::make_shared<remote::Trouble>();
  RemoteStoreOptions options_;
  std::unique_ptr<RemoteStoreImpl> store_;
};

inline std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_FOLDER_STORE_H_
