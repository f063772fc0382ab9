// What processes tell each other about a tier; two stores on one directory stand for two processes.
#include <gtest/gtest.h>

#include <fstream>

#include "format/tier_state.h"
#include "store/remote/remote_store.h"
#include "tests/contract/store_contract.h"
#include "tests/remote/folder_transport.h"
#include "tests/remote/server.h"

namespace larder {
namespace {

using remote::FolderTransport;
using remote::Trouble;

class TierFileTest : public testing::Test {
 protected:
  TierFileTest() {
    options_.url = "test://folder";
    options_.name_space = "team-a";
    options_.state_directory = here_.path();
  }

  // The store that the tier stands behind.
  void make_local_store() { ASSERT_TRUE(open_file_store({.directory = here_.path().string()})); }

  std::shared_ptr<RemoteStore> process() {
    return std::make_shared<RemoteStoreImpl>(
        options_, [this] { return std::make_unique<FolderTransport>(there_.path(), trouble_); });
  }

  std::filesystem::path file() const {
    return here_.path() /
           format::tier_state_name(options_.url, options_.name_space, options_.attributes);
  }

  void find_it_silent() {
    trouble_->add(Errc::unreachable, Attempts::most);
    EXPECT_FALSE(process()->get(numbered(1)));
  }

  const ServerDirectory here_;
  const ServerDirectory there_;
  const std::shared_ptr<Trouble> trouble_ = std::make_shared<Trouble>();
  RemoteStoreOptions options_;
};

TEST_F(TierFileTest, AServerThatOneFoundSilentIsLeftAloneByAll) {
  make_local_store();
  const auto before = process();
  EXPECT_TRUE(before->get(numbered(1)));
  find_it_silent();
  const int asked = trouble_->asked();
  const auto after = process();
  EXPECT_EQ(after->get(numbered(1)).error().code, Errc::unreachable);
  EXPECT_EQ(trouble_->asked(), asked);
  EXPECT_EQ(after->remote_metrics().skipped, 1u);
}

TEST_F(TierFileTest, WhoAsksAtOnceTriesInThePauseAndTellsTheOthers) {
  make_local_store();
  find_it_silent();
  options_.for_transfers = true;
  EXPECT_TRUE(process()->get(numbered(1)));
  options_.for_transfers = false;
  EXPECT_TRUE(process()->get(numbered(1))) << "it answers again, and all know";
}

TEST_F(TierFileTest, OneTriesWhenThePauseIsOver) {
  make_local_store();
  options_.breaker.pause = std::chrono::milliseconds(1);
  find_it_silent();
  options_.breaker.pause = std::chrono::seconds(30);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));  // the file counts whole seconds
  EXPECT_TRUE(process()->get(numbered(1)));
  EXPECT_TRUE(process()->get(numbered(2))) << "it answers again, and all know";
}

TEST_F(TierFileTest, WhoGetsAnAnswerTellsTheOthers) {
  make_local_store();
  options_.breaker.pause = std::chrono::milliseconds(10);
  const auto first = process();
  trouble_->add(Errc::unreachable, Attempts::most);
  EXPECT_FALSE(first->get(numbered(1)));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(first->get(numbered(1)));
  options_.breaker.pause = std::chrono::seconds(30);
  EXPECT_TRUE(process()->get(numbered(1)));
}

TEST_F(TierFileTest, WithoutAStoreNothingIsWritten) {
  find_it_silent();
  EXPECT_TRUE(std::filesystem::is_empty(here_.path()));
  EXPECT_TRUE(process()->get(numbered(1)));
}

TEST_F(TierFileTest, AFileThatLiesHarmsForNoLongerThanAPause) {
  make_local_store();
  const auto far = format::encode_tier_state({.open_until_s = ~std::uint64_t{0} / 2});
  std::ofstream(file(), std::ios::binary)
      .write(reinterpret_cast<const char*>(far.data()), std::ssize(far));
  options_.breaker.pause = std::chrono::milliseconds(50);
  const auto store = process();
  EXPECT_FALSE(store->get(numbered(1)));
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_TRUE(store->get(numbered(1)));
}

TEST_F(TierFileTest, ADamagedFileIsNone) {
  make_local_store();
  find_it_silent();
  std::fstream(file(), std::ios::in | std::ios::out | std::ios::binary).seekp(20).put('x');
  EXPECT_TRUE(process()->get(numbered(1)));
  const auto block = format::encode_tier_state({.open_until_s = 5, .counters = {.hits = 7}});
  for (std::size_t length = 0; length < block.size(); ++length) {
    EXPECT_FALSE(format::decode_tier_state(std::span(block).first(length))) << length;
  }
  const auto whole = format::decode_tier_state(block);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->open_until_s, 5u);
  EXPECT_EQ(whole->counters.hits, 7u);
}

TEST_F(TierFileTest, ALinkInItsPlaceIsNotFollowed) {
  make_local_store();
  const auto elsewhere = there_.path() / "precious";
  std::ofstream(elsewhere) << "precious";
  std::filesystem::create_symlink(elsewhere, file());
  find_it_silent();
  std::ifstream read(elsewhere);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(read), {}), "precious");
}

TEST_F(TierFileTest, CountersOfAllProcessesAddUp) {
  make_local_store();
  process()->put(numbered(1), bytes_of("x")).value();
  EXPECT_TRUE(process()->get(numbered(1)));
  const auto store = process();
  EXPECT_TRUE(store->get(numbered(2)));
  EXPECT_TRUE(store->flush());
  EXPECT_TRUE(store->get(numbered(2)));
  const RemoteMetrics told = store->kept_metrics();
  EXPECT_EQ(told.lookups, 3u);
  EXPECT_EQ(told.hits, 1u);
  EXPECT_EQ(told.absent, 2u);
  EXPECT_EQ(told.uploads, 1u);
  EXPECT_TRUE(store->reset_statistics());
  EXPECT_EQ(store->kept_metrics().lookups, 0u) << "those that it had not told yet, too";
  EXPECT_EQ(process()->kept_metrics().hits, 0u);
}

TEST_F(TierFileTest, TheStoreThatItLiesInDoesNotMind) {
  make_local_store();
  find_it_silent();
  ASSERT_TRUE(std::filesystem::exists(file()));
  const auto local = open_file_store({.directory = here_.path().string()}).value();
  EXPECT_TRUE(local->put(numbered(1), bytes_of("x")));
  EXPECT_TRUE(local->visit_strays([](const Stray& stray) {
    ADD_FAILURE() << stray.location;
    return Visit::go_on;
  }));
  EXPECT_TRUE(local->clear());
  EXPECT_TRUE(std::filesystem::exists(file()));
}

}  // namespace
}  // namespace larder
