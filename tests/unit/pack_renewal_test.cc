// A prune by age beside others who change the entries that it writes anew.
#include "tests/unit/pack_upkeep_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;
using testing::Repeat;

// An entry that was read, in a segment that somebody writes: a prune by age copies it.
class PackRenewal : public PackUpkeep {
 protected:
  void SetUp() override {
    {
      const auto store = open();
      ASSERT_EQ(put(*store, numbered(1), "the old value"), "ok");
    }
    segment_ = segment_names().front();
    held_ = hold(segment_);
    store_ = open();
    other_ = open();
    ASSERT_EQ(content(store_->get(numbered(1))), "the old value");
    clock_.later_s = two_hours_s;
  }

  void start_anew() {
    store_.reset();
    other_.reset();
    held_.reset();
    clock_.later_s = 0;
    fs::remove_all(root());
    SetUp();
  }

  // `meanwhile` is done before operation number `moment`. How many operations there were.
  std::uint64_t renew(std::uint64_t moment, const std::function<void(Store& other)>& meanwhile) {
    std::atomic<std::uint64_t> count = 0;
    spoilt_.observe([&](const Operation&) {
      if (++count == moment) meanwhile(*other_);
    });
    const auto report = store_->prune({.max_age_s = 600});
    const std::uint64_t operations = count;
    spoilt_.observe({});
    EXPECT_TRUE(report) << report.error().message;
    return operations;
  }

  void expect_now(const std::string& value, std::uint64_t moment) {
    EXPECT_EQ(content(store_->get(numbered(1))), value) << moment;
    ASSERT_TRUE(other_->flush());
    rebuild(store_);
    EXPECT_EQ(content(store_->get(numbered(1))), value) << moment;
  }

  // Before each operation of the prune.
  void expect_whenever(const std::function<void(Store& other)>& meanwhile,
                       const std::string& value) {
    std::uint64_t moment = 1;
    for (; renew(moment, meanwhile) >= moment; ++moment) {
      ASSERT_LT(moment, 1'000u);
      expect_now(value, moment);
      start_anew();
    }
    EXPECT_GT(moment, 20u);
  }

  std::string segment_;
  std::unique_ptr<File> held_;
  std::shared_ptr<PackStore> store_, other_;
};

TEST_F(PackRenewal, KeepsTheValueUntilItIsTooOldAgain) {
  renew(0, {});
  EXPECT_NE(segment_of(*store_, numbered(1)), segment_);
  expect_now("the old value", 0);
  clock_.later_s = 2 * two_hours_s;
  ASSERT_TRUE(store_->prune({.max_entries = 0}));
  expect_now("absent", 0);
  EXPECT_TRUE(fs::exists(segments() / segment_));
}

TEST_F(PackRenewal, DoesNotUndoARemoval) {
  expect_whenever([](Store& other) { EXPECT_EQ(other.remove(numbered(1)), true); }, "absent");
}

TEST_F(PackRenewal, DoesNotUndoAPut) {
  expect_whenever(
      [](Store& other) {
        EXPECT_EQ(put(other, numbered(1), "the new value"), "ok");
        EXPECT_TRUE(other.flush());
      },
      "the new value");
}

TEST_F(PackRenewal, LeadsToNoCopyThatIsNotDurable) {
  spoilt_.inject({.only = Op::sync_data, .repeat = Repeat::for_ever});
  EXPECT_FALSE(store_->prune({.max_age_s = 600}));
  spoilt_.clear_faults();
  EXPECT_EQ(segment_of(*store_, numbered(1)), segment_);
  EXPECT_EQ(content(store_->get(numbered(1))), "the old value");
}

}  // namespace
}  // namespace larder
