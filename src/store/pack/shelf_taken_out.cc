// What somebody takes out of the index counts until it is known to be on the disk. Who stops
// counting it before that says so in the word that tells of what is forgotten.
#include <algorithm>

#include "store/pack/shelf.h"

namespace larder::pack_store {

using format::StateWord;

std::uint64_t Shelf::given_up() const {
  return std::max<std::uint64_t>(1, state_->word(StateWord::forgotten).load());
}

// In this order: 1 alone says nothing of this.
void Shelf::note_given_up() {
  note_forgotten();
  state_->word(StateWord::forgotten).fetch_add(1);
}

Shelf::TakingOut::~TakingOut() {
  if (is_kept_) return;
  if (!is_settled_) shelf_.note_given_up();
  shelf_.end_taken_out(1);
}

}  // namespace larder::pack_store
