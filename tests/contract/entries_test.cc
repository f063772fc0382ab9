// What get, put, remove, contains and inspect promise, for one caller.
#include "base/digest.h"
#include "larder/recipe.h"
#include "tests/contract/store_contract.h"

namespace larder {
namespace {

class EntriesContract : public StoreContract {};

TEST_P(EntriesContract, AMissIsAValue) {
  const auto found = store_->get(numbered(1));
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->has_value());
  EXPECT_EQ(store_->contains(numbered(1)), false);
  EXPECT_EQ(store_->remove(numbered(1)), false);
  const auto inspected = store_->inspect(numbered(1));
  ASSERT_TRUE(inspected);
  EXPECT_FALSE(inspected->has_value());
}

TEST_P(EntriesContract, EverySizeComesBackByteForByte) {
  std::uint32_t number = 0;
  for (const std::size_t size : {0u, 1u, 31u, 4096u, 65536u, 5u << 20}) {
    const std::string payload = payload_of(size, 3);
    put(numbered(++number), payload);
    EXPECT_TRUE(text_of(numbered(number)) == payload) << size << " bytes";
    EXPECT_EQ(store_->contains(numbered(number)), true);
  }
}

TEST_P(EntriesContract, FingerprintsOfASingleDifferentBitAreDifferentEntries) {
  Fingerprint fingerprint = numbered(0);
  put(fingerprint, "plain");
  for (std::size_t bit = 0; bit < 256; bit += 17) {
    Fingerprint other = fingerprint;
    other.bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    EXPECT_EQ(text_of(other), "absent");
  }
}

TEST_P(EntriesContract, APutReplacesWhatIsDifferent) {
  put(numbered(1), "old");
  const auto held = store_->get(numbered(1));
  for (const std::string& payload : {payload_of(70'000, 1), std::string("new"), std::string()}) {
    put(numbered(1), payload);
    EXPECT_EQ(text_of(numbered(1)), payload);
  }
  ASSERT_TRUE(held && *held);
  EXPECT_EQ((*held)->text(), "old");
}

TEST_P(EntriesContract, TheSameBytesAreNotWrittenAgain) {
  put(numbered(1), "same");
  EXPECT_TRUE(store_->flush());  // a queue counts what it wrote
  const Metrics before = store_->metrics();
  put(numbered(1), "same");
  EXPECT_TRUE(store_->flush());
  const Metrics delta = store_->metrics().since(before);
  EXPECT_EQ(delta.puts, 0u);
  EXPECT_GE(delta.puts_unchanged, 1u);
  EXPECT_EQ(text_of(numbered(1)), "same");
}

TEST_P(EntriesContract, PutKeepsACopy) {
  std::string payload = "as it was";
  put(numbered(1), payload);
  payload.assign(payload.size(), 'x');
  EXPECT_EQ(text_of(numbered(1)), "as it was");
}

TEST_P(EntriesContract, RemoveTakesOneEntryAway) {
  put(numbered(1), "one");
  put(numbered(2), "two");
  EXPECT_EQ(store_->remove(numbered(1)), true);
  EXPECT_EQ(text_of(numbered(1)), "absent");
  EXPECT_EQ(store_->contains(numbered(1)), false);
  EXPECT_EQ(store_->remove(numbered(1)), false);
  EXPECT_EQ(text_of(numbered(2)), "two");
  put(numbered(1), "again");
  EXPECT_EQ(text_of(numbered(1)), "again");
}

TEST_P(EntriesContract, GetIntoFillsTheFrontOfTheBuffer) {
  put(numbered(1), "12345");
  std::string buffer = "........";
  const auto length = store_->get_into(numbered(1), std::as_writable_bytes(std::span(buffer)));
  ASSERT_TRUE(length && *length) << length.error().message;
  EXPECT_EQ(**length, 5u);
  EXPECT_EQ(buffer.substr(0, 5), "12345");

  const auto missing = store_->get_into(numbered(2), std::as_writable_bytes(std::span(buffer)));
  ASSERT_TRUE(missing);
  EXPECT_FALSE(missing->has_value());
}

TEST_P(EntriesContract, GetIntoRefusesABufferThatIsTooSmall) {
  put(numbered(1), "12345");
  std::string buffer = "....";
  const auto length = store_->get_into(numbered(1), std::as_writable_bytes(std::span(buffer)));
  ASSERT_FALSE(length);
  EXPECT_EQ(length.error().code, Errc::too_large);
  EXPECT_TRUE(store_->metrics().balanced());
}

TEST_P(EntriesContract, GetManyAnswersInTheOrderOfTheQuestions) {
  put(numbered(1), "one");
  put(numbered(3), "three");
  const std::vector<Fingerprint> asked = {numbered(3), numbered(2), numbered(1), numbered(3)};
  const auto found = store_->get_many(asked).value();
  ASSERT_EQ(found.size(), 4u);
  const std::vector<std::string> expected = {"three", "absent", "one", "three"};
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_TRUE(found[i]) << found[i].error().message;
    EXPECT_EQ(*found[i] ? (**found[i]).text() : "absent", expected[i]);
  }
  EXPECT_TRUE(store_->get_many({}).value().empty());
}

TEST_P(EntriesContract, InspectDescribesTheEntryAndCountsNothing) {
  const std::string recipe = Recipe("larder tests 2026-11").field("options", "-O2").encode();
  put(numbered(1), "payload", recipe);
  const Metrics before = store_->metrics();
  const auto details = store_->inspect(numbered(1));
  ASSERT_TRUE(details && *details);
  EXPECT_EQ((*details)->info.fingerprint, numbered(1));
  EXPECT_EQ((*details)->info.payload_bytes, 7u);
  EXPECT_EQ((*details)->payload_digest.bytes, blake3("payload"));
  EXPECT_EQ((*details)->codec, "none");
  EXPECT_FALSE((*details)->layout.empty());
  EXPECT_EQ((*details)->recipe, GetParam().keeps_recipes ? recipe : "");
  EXPECT_EQ(store_->metrics(), before);
}

TEST_P(EntriesContract, ARecipeThatNoRecipeEncodesToIsRefused) {
  const std::string recipe(Recipe::max_encoded_bytes + 1, 'x');
  const auto stored = store_->put(numbered(1), bytes_of("payload"), {.recipe = recipe});
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::invalid_argument);
  EXPECT_EQ(text_of(numbered(1)), "absent");
}

TEST_P(EntriesContract, AnArtifactOutlivesItsEntryAndItsStore) {
  put(numbered(1), "still here");
  const auto found = store_->get(numbered(1));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(store_->remove(numbered(1)), true);
  store_.reset();
  EXPECT_EQ((*found)->text(), "still here");
}

TEST_P(EntriesContract, EntriesOutliveAStoreThatIsPersistent) {
  put(numbered(1), payload_of(65536, 9));
  put(numbered(2), "");
  reopen();
  EXPECT_EQ(text_of(numbered(1)) == payload_of(65536, 9), GetParam().persistent);
  EXPECT_EQ(text_of(numbered(2)).empty(), GetParam().persistent);
}

TEST_P(EntriesContract, TheStoreSaysWhatItIs) { EXPECT_FALSE(store_->describe().empty()); }

LARDER_OVER_EVERY_STORE(EntriesContract);

}  // namespace
}  // namespace larder
