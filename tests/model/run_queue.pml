// run_queue: young_queue (src/sched/run_queue.h) with two slots: the owner pushes ITEMS and pops
// between, two thieves take the oldest. The owner's stores to bottom go through a store buffer where
// the code orders them weakly; the indexes grow past the slots, so that these are used again.
//
// Checked: every item is taken at most once, by what its taker read (I2, I3); in the end all are
// taken.
//
// NO_BARRIER   pop_newest() stores bottom without the barrier before it loads top
// NO_EXCHANGE  the owner takes the last item without competing for it
// NO_BOUND     try_push() does not look whether there is room
//
// verify:
// refute: -DNO_BARRIER
// refute: -DNO_EXCHANGE
// refute: -DNO_BOUND

#define SLOTS 2
#define ITEMS 4
byte top = 1, bottom = 1;
byte slots[SLOTS];
byte taken[ITEMS + 1];
byte gone;  // items taken
byte buffered;
bool is_buffered;

inline take(g) { d_step { assert(g > 0); taken[g]++; assert(taken[g] == 1); gone++ } }
inline store_seq_cst(v) { atomic { !is_buffered -> bottom = v } }
inline store_relaxed(v) { atomic { !is_buffered -> buffered = v; is_buffered = true } }

active proctype buffer() {
end:
  do :: d_step { is_buffered -> bottom = buffered; is_buffered = false } od
}

active [2] proctype thief() {
  byte t, b, g;
end:
  do
  :: gone < ITEMS ->
     t = top;
     b = bottom;
     if
     :: b <= t -> skip
     :: else ->
        g = slots[t % SLOTS];
        atomic { if :: top == t -> top = t + 1; take(g) :: else -> skip fi }
     fi
  :: gone == ITEMS -> break
  od
}

active proctype owner() {
  byte mine = 1;  // bottom, which only the owner writes
  byte item = 1, t, g; bool ours;
  do
  :: item <= ITEMS ->  // try_push
     t = top;
     if
#ifndef NO_BOUND
     :: mine - t >= SLOTS -> skip
     :: mine - t < SLOTS ->
#else
     :: true ->
#endif
        slots[mine % SLOTS] = item;
        mine++;
        store_seq_cst(mine);
        item++
     fi
  :: gone < ITEMS ->  // pop_newest
     if
     :: mine - 1 < top -> skip
     :: else ->
        mine--;
#ifdef NO_BARRIER
        store_relaxed(mine);
#else
        store_seq_cst(mine);
#endif
        t = top;
        if
        :: mine < t -> mine++; store_relaxed(mine)
        :: mine > t -> g = slots[mine % SLOTS]; take(g)
        :: mine == t ->
           g = slots[mine % SLOTS];
           ours = true;
#ifndef NO_EXCHANGE
           atomic { if :: top == t -> top = t + 1 :: else -> ours = false fi };
#else
           top = t + 1;
#endif
           if :: ours -> take(g) :: else -> skip fi;
           mine++;
           store_relaxed(mine)
        fi
     fi
  :: item > ITEMS && gone == ITEMS -> break
  od
}
