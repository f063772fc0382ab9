// A folder as the server of a remote tier: objects are files that a test can look at and damage,
// and the transport fails when it is told to.
#ifndef LARDER_TESTS_REMOTE_FOLDER_TRANSPORT_H_
#define LARDER_TESTS_REMOTE_FOLDER_TRANSPORT_H_

#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "remote/transport.h"

namespace larder::remote {

// What is asked next goes so, one outcome for each question; shared between a test and its store.
class Trouble {
 public:
  void add(Errc code, int times = 1) {
    const std::scoped_lock lock(mutex_);
    for (int i = 0; i < times; ++i) codes_.push_back(code);
  }
  void add_success() {
    const std::scoped_lock lock(mutex_);
    codes_.emplace_back();
  }
  std::optional<Errc> next() {
    const std::scoped_lock lock(mutex_);
    ++asked_;
    if (codes_.empty()) return std::nullopt;
    const std::optional<Errc> code = codes_.front();
    codes_.pop_front();
    return code;
  }
  int asked() const {
    const std::scoped_lock lock(mutex_);
    return asked_;
  }

 private:
  mutable std::mutex mutex_;
  std::deque<std::optional<Errc>> codes_;
  int asked_ = 0;
};

class FolderTransport : public Transport {
 public:
  explicit FolderTransport(std::filesystem::path root, std::shared_ptr<Trouble> trouble = {})
      : root_(std::move(root)), trouble_(std::move(trouble)) {}

  Result<std::optional<ArtifactBuffer>> get(std::string_view name, std::uint64_t max_bytes,
                                            const Patience&) override {
    if (const auto code = fails()) return failure(*code);
    std::ifstream file(root_ / name, std::ios::binary);
    if (!file) return std::nullopt;
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    if (bytes.size() > max_bytes) return failure(Errc::too_large);
    auto buffer = ArtifactBuffer::allocate(bytes.size());
    if (buffer) std::ranges::copy(std::as_bytes(std::span(bytes)), buffer->bytes().begin());
    return buffer;
  }

  Result<void> put(std::string_view name, Pieces pieces, const Patience&) override {
    if (const auto code = fails()) return failure(*code);
    const std::scoped_lock lock(mutex_);
    const auto path = root_ / name;
    std::filesystem::create_directories(path.parent_path());
    const auto beside = root_ / ".new";
    std::ofstream file(beside, std::ios::binary);
    for (const auto piece : pieces) {
      file.write(reinterpret_cast<const char*>(piece.data()),
                 static_cast<std::streamsize>(piece.size()));
    }
    file.close();
    std::filesystem::rename(beside, path);
    return {};
  }

  Result<std::optional<std::uint64_t>> size(std::string_view name, const Patience&) override {
    if (const auto code = fails()) return failure(*code);
    std::error_code error;
    const std::uint64_t bytes = std::filesystem::file_size(root_ / name, error);
    if (error) return std::nullopt;
    return bytes;
  }

  Result<bool> remove(std::string_view name, const Patience&) override {
    if (const auto code = fails()) return failure(*code);
    const std::scoped_lock lock(mutex_);
    return std::filesystem::remove(root_ / name);
  }

  Listed list(std::string_view prefix, const ObjectVisitor& visitor, const Patience&) override {
    if (const auto code = fails()) return failure(*code);
    for (const auto& [name, bytes] : files()) {
      if (!name.starts_with(prefix)) continue;
      if (visitor({name, bytes}) == Visit::stop) break;
    }
    return {};
  }

 private:
  std::vector<std::pair<std::string, std::uint64_t>> files() {
    const std::scoped_lock lock(mutex_);
    std::filesystem::create_directories(root_);
    std::vector<std::pair<std::string, std::uint64_t>> found;
    for (const auto& file : std::filesystem::recursive_directory_iterator(root_)) {
      if (!file.is_regular_file()) continue;
      found.emplace_back(std::filesystem::relative(file.path(), root_).string(), file.file_size());
    }
    return found;
  }

  std::optional<Errc> fails() { return trouble_ ? trouble_->next() : std::nullopt; }
  static std::unexpected<Error> failure(Errc code) {
    return std::unexpected(Error{.code = code, .message = "folder: told to fail; do not tell it"});
  }
  const std::filesystem::path root_;
  const std::shared_ptr<Trouble> trouble_;
  std::mutex mutex_;  // a listing must not stumble over what changes
};

}  // namespace larder::remote

#endif  // LARDER_TESTS_REMOTE_FOLDER_TRANSPORT_H_
