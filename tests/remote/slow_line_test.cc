// A batch over a line that is too slow to bring it in one request-timeout.
#include <gtest/gtest.h>

#include <thread>

#include "store/remote/remote_store.h"
#include "tests/contract/store_contract.h"
#include "tests/remote/folder_transport.h"
#include "tests/remote/server.h"

namespace larder {
namespace {

// How many objects come before the time is over, call after call, and what was asked for.
struct Line {
  std::vector<std::size_t> brings;  // the last one for ever
  std::vector<std::size_t> asked = {};
};

class SlowTransport final : public remote::FolderTransport {
 public:
  SlowTransport(const std::filesystem::path& root, Line& line)
      : FolderTransport(root), line_(line) {}

  std::vector<Result<std::optional<ArtifactBuffer>>> get_many(
      std::span<const std::string> names, std::uint64_t max_bytes,
      const remote::Patience& patience) override {
    const std::size_t call = std::min(line_.asked.size(), line_.brings.size() - 1);
    const std::size_t brought = std::min(names.size(), line_.brings[call]);
    line_.asked.push_back(names.size());
    auto answers = FolderTransport::get_many(names.first(brought), max_bytes, patience);
    if (brought < names.size()) std::this_thread::sleep_until(patience.deadline);
    const Error late{.code = Errc::timed_out, .message = "folder: slow; wait"};
    answers.resize(names.size(), std::unexpected(late));
    return answers;
  }

 private:
  Line& line_;
};

class SlowLine : public testing::Test {
 protected:
  SlowLine() {
    options_.url = "test://folder";
    options_.timeouts.request = std::chrono::milliseconds(50);
    options_.for_transfers = true;
  }

  std::shared_ptr<RemoteStore> over(Line& line) {
    return std::make_shared<RemoteStoreImpl>(options_, [this, &line] {
      return std::make_unique<SlowTransport>(directory_.path(), line);
    });
  }

  // Of 64 that are asked for, those that came.
  static std::size_t fetched_from(RemoteStore& store) {
    std::vector<Fingerprint> all;
    for (std::uint32_t i = 0; i < 64; ++i) all.push_back(numbered(i));
    const auto answers = store.fetch_many(all).value();
    return static_cast<std::size_t>(
        std::ranges::count_if(answers, [](auto& each) { return each && *each; }));
  }

  void fill() {
    Line line{.brings = {64}};
    const auto store = over(line);
    for (std::uint32_t i = 0; i < 64; ++i) {
      ASSERT_TRUE(store->put(numbered(i), bytes_of(std::to_string(i))));
    }
  }

  const ServerDirectory directory_;
  RemoteStoreOptions options_;
};

TEST_F(SlowLine, BringsAllInSmallerQuestions) {
  fill();
  Line line{.brings = {24}};
  const auto store = over(line);
  EXPECT_EQ(fetched_from(*store), 64u);
  EXPECT_EQ(line.asked, (std::vector<std::size_t>{64, 32, 16}));
  const RemoteMetrics told = store->remote_metrics();
  EXPECT_EQ(told.hits, 64u);
  EXPECT_EQ(told.timeouts, 0u);
  EXPECT_EQ(told.breaker_openings, 0u);
  EXPECT_TRUE(told.balanced());
}

TEST_F(SlowLine, KeepsNoLookUpLongerThanItsTime) {
  fill();
  options_.for_transfers = false;
  Line line{.brings = {24}};
  const auto store = over(line);
  EXPECT_EQ(fetched_from(*store), 24u);
  EXPECT_EQ(line.asked.size(), 1u);
  EXPECT_EQ(store->remote_metrics().breaker_openings, 0u);
}

TEST_F(SlowLine, BringsAllThoughOnlyOneComesInTime) {
  fill();
  Line line{.brings = {1}};
  const auto store = over(line);
  EXPECT_EQ(fetched_from(*store), 64u);
  EXPECT_EQ(store->remote_metrics().breaker_openings, 0u);
}

// What it brought shows a server that was there; the next batch finds out that it is not.
TEST_F(SlowLine, ThatBringsNothingMoreIsAskedOnceMore) {
  fill();
  Line line{.brings = {10, 0}};
  const auto store = over(line);
  EXPECT_EQ(fetched_from(*store), 10u);
  EXPECT_EQ(line.asked, (std::vector<std::size_t>{64, 32}));
  EXPECT_EQ(store->remote_metrics().timeouts, 54u);
  EXPECT_EQ(store->remote_metrics().breaker_openings, 0u);
  EXPECT_EQ(fetched_from(*store), 0u);
  EXPECT_EQ(line.asked.size(), 3u);
  EXPECT_EQ(store->remote_metrics().breaker_openings, 1u);
}

}  // namespace
}  // namespace larder
