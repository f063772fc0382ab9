// Tiers over folders, without a server: one that has the trouble that it is told to have, and one
// that holds its first question.
#ifndef LARDER_TESTS_REMOTE_FOLDER_TIER_H_
#define LARDER_TESTS_REMOTE_FOLDER_TIER_H_

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "store/remote/remote_store.h"
#include "tests/contract/store_contract.h"
#include "tests/remote/folder_transport.h"
#include "tests/remote/server.h"

namespace larder {

// A tier over a folder, and the trouble that it is told to have.
struct FolderTier {
  ServerDirectory directory;
  std::shared_ptr<remote::Trouble> trouble = std::make_shared<remote::Trouble>();
  std::shared_ptr<RemoteStore> store;

  explicit FolderTier(RemoteBreaker breaker = {.failures = 1000}) {
    RemoteStoreOptions options;
    options.url = "test://" + directory.path().string();
    options.breaker = breaker;
    store = std::make_shared<RemoteStoreImpl>(options, [this] {
      return std::make_unique<remote::FolderTransport>(directory.path(), trouble);
    });
  }
  void put(std::uint32_t number, std::string_view payload, std::string_view recipe = {}) {
    ASSERT_TRUE(store->put(numbered(number), bytes_of(payload), {.recipe = recipe}));
  }
  bool has(std::uint32_t number) { return store->inspect(numbered(number)).value().has_value(); }
};

// Answers the first question once it is let, and every other one at once.
class HeldTransport final : public remote::Transport {
 public:
  explicit HeldTransport(std::filesystem::path root) : folder_(std::move(root)) {}

  void hold_puts_alone() { holds_puts_alone_ = true; }
  void let_go() { may_go_.count_down(); }
  void wait_for_a_question() { asked_.wait(); }

  Result<std::optional<ArtifactBuffer>> get(std::string_view name, std::uint64_t max_bytes,
                                            const remote::Patience& patience) override {
    if (!holds_puts_alone_) hold();
    return folder_.get(name, max_bytes, patience);
  }
  Result<void> put(std::string_view name, remote::Pieces pieces,
                   const remote::Patience& patience) override {
    hold();
    return folder_.put(name, pieces, patience);
  }
  Result<std::optional<std::uint64_t>> size(std::string_view name,
                                            const remote::Patience& patience) override {
    if (!holds_puts_alone_) hold();
    return folder_.size(name, patience);
  }
  Result<bool> remove(std::string_view name, const remote::Patience& patience) override {
    return folder_.remove(name, patience);
  }
  remote::Listed list(std::string_view prefix, const remote::ObjectVisitor& visitor,
                      const remote::Patience& patience) override {
    return folder_.list(prefix, visitor, patience);
  }

 private:
  void hold() {
    if (is_asked_.exchange(true)) return;
    asked_.count_down();
    may_go_.wait();
  }
  remote::FolderTransport folder_;
  std::atomic<bool> holds_puts_alone_ = false;
  std::atomic<bool> is_asked_ = false;
  std::latch asked_{1};
  std::latch may_go_{1};
};

// A tier over it, with the folder of another one.
struct HeldTier {
  HeldTransport* transport = nullptr;
  std::shared_ptr<RemoteStore> store;

  explicit HeldTier(const FolderTier& folder) {
    auto made = std::make_unique<HeldTransport>(folder.directory.path());
    transport = made.get();
    RemoteStoreOptions options;
    options.url = "test://held";
    store = std::make_shared<RemoteStoreImpl>(options, [&] { return std::move(made); });
    (void)store->remote_metrics();  // takes the transport
  }
};

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_FOLDER_TIER_H_
