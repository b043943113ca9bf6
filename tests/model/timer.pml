// timer: waits with a deadline (src/sched/timer.h, wait.cc), and a clock that is stopped and set
// (weft::timer and ticker: src/sync/channel.cc, channel_core.h I6). RECEIVERS receive TAKES ticks
// each; who finds none waits until the clock is due, by a timer in its frame that it arms in one of
// two heaps, whose processor it may have lost when it goes on. Two machines run what is due in any
// heap. SETTERS stop the clock or set it anew, SETS times each, to now, to later or to never; LAST
// is the end of time. A PERIOD of 0 is a timer, 1 a ticker. What stands under the clock's lock is
// one step here.
//
// Checked: a machine touches no timer whose frame has ended; no tick comes before its time; a
// timer's value is received once, or withdrawn by the stop that says so, never both; who begins to
// receive behind a stop or reset gets nothing older; when nothing can happen any more nobody waits
// for a clock that is due.
//
// NO_LOOK        who waited until the clock was due takes what it waited for, without another look
// NO_TELL        a stop or reset does not tell those who wait
// NO_STOP        a frame ends without taking its timer out of the heap
// NO_HOME        a timer is taken out under the lock of the heap that its owner has now
// CLAIM_OUTSIDE  a machine claims the wait when it has let the heap's lock go
//
// verify: -DRECEIVERS=2 -DTAKES=1 -DSETTERS=1 -DSETS=1 -DPERIOD=0 -DLAST=2
// verify: -DRECEIVERS=1 -DTAKES=2 -DSETTERS=2 -DSETS=1 -DPERIOD=0 -DLAST=3
// verify: -DRECEIVERS=1 -DTAKES=2 -DSETTERS=1 -DSETS=2 -DPERIOD=1 -DLAST=3
// refute: -DRECEIVERS=1 -DTAKES=1 -DSETTERS=1 -DSETS=1 -DPERIOD=0 -DLAST=3 -DNO_LOOK
// refute: -DRECEIVERS=1 -DTAKES=1 -DSETTERS=1 -DSETS=2 -DPERIOD=0 -DLAST=3 -DNO_TELL
// refute: -DRECEIVERS=1 -DTAKES=1 -DSETTERS=1 -DSETS=1 -DPERIOD=0 -DLAST=3 -DNO_STOP
// refute: -DRECEIVERS=1 -DTAKES=1 -DSETTERS=1 -DSETS=1 -DPERIOD=0 -DLAST=3 -DNO_HOME
// refute: -DRECEIVERS=1 -DTAKES=1 -DSETTERS=1 -DSETS=1 -DPERIOD=0 -DLAST=3 -DCLAIM_OUTSIDE

#define HEAPS 2
#define never 255

mtype = {look_again, at_deadline};

byte now;
byte due = 1;                    // the clock: channel_core::due_ns_
byte setting, settled;           // how often it was set, and of those that have returned the last
bool taken[SETTERS * SETS + 1], withdrawn[SETTERS * SETS + 1];  // by setting
byte newest;                     // the last tick of this setting, plus 1
bool in_queue[RECEIVERS];        // of the clock
bool open[RECEIVERS];            // its wait is not decided
byte ticket[RECEIVERS];
mtype by[RECEIVERS];
bool heap_locked[HEAPS];
bool alive[RECEIVERS];           // the frame of its timer
bool pending[RECEIVERS];         // the timer, in heap `home`, of the wait `wait_of`, due at `when`
byte home[RECEIVERS], wait_of[RECEIVERS], when[RECEIVERS];

inline claim(r, t, token) {
  d_step { if :: open[r] && ticket[r] == t -> open[r] = false; by[r] = token :: else fi }
}

// receives: the tick of time `at`, due by the setting `s`.
inline receives(at, s) {
  assert(at <= now && s >= since);
  assert(!withdrawn[s] && (PERIOD > 0 || !taken[s]));
  assert(PERIOD == 0 || at >= newest);
  taken[s] = true;
  newest = at + 1;
  got = true
}

// take_or_enter: take_tick(), else a node in the queue; a ticker's next is behind now.
inline take_or_enter() {
  d_step {
    if
    :: due <= now ->
       receives(due, setting);
       due = (PERIOD > 0 -> now + 1 : never)
    :: else ->
       deadline = due; of_setting = setting;
       ticket[me]++; open[me] = true; in_queue[me] = true
    fi
  }
}

proctype receiver(byte me) {
  byte n, since, deadline, of_setting, h;
  bool got;
  do
  :: n < TAKES ->
     d_step { n++; got = false; since = settled };
     take_or_enter();
     do
     :: got -> break
     :: else ->
        if
        :: deadline != never ->
           if :: h = 0 :: h = 1 fi;
           atomic {
             !heap_locked[h] ->
             alive[me] = true;
             pending[me] = true;
             home[me] = h; wait_of[me] = ticket[me]; when[me] = deadline
           }
        :: else
        fi;
end_parked:
        (!open[me]);
#ifndef NO_STOP
        if
        :: alive[me] ->
#ifdef NO_HOME
           if :: h = 0 :: h = 1 fi;
#endif
           atomic { !heap_locked[h] -> pending[me] = false }
        :: else
        fi;
#endif
        d_step { alive[me] = false; in_queue[me] = false };
#ifdef NO_LOOK
        if
        :: by[me] == at_deadline -> d_step { receives(deadline, of_setting); due = never }
        :: else -> take_or_enter()
        fi
#else
        take_or_enter()
#endif
     od
  :: else -> break
  od
}

// machine: run_due() of any heap, in any order.
#define is_due(x) (pending[x] && when[x] <= now && !heap_locked[home[x]])
proctype machine() {
  byte h, r, t;
end:
  do
  :: if
     :: d_step { is_due(0) -> r = 0; h = home[r]; heap_locked[h] = true }
#if RECEIVERS > 1
     :: d_step { is_due(1) -> r = 1; h = home[r]; heap_locked[h] = true }
#endif
     fi;
     pending[r] = false;
#ifdef CLAIM_OUTSIDE
     heap_locked[h] = false;
#endif
     d_step { assert(alive[r]); t = wait_of[r] };
     claim(r, t, at_deadline);
#ifndef CLAIM_OUTSIDE
     heap_locked[h] = false;
#endif
     d_step { r = 0; t = 0; h = 0 }
  od
}

proctype setter() {
  byte n, mine, i;
  do
  :: n < SETS ->
     atomic {
       n++;
       if
       :: due != never && PERIOD == 0 -> assert(!taken[setting]); withdrawn[setting] = true
       :: else
       fi;
       setting++;
       newest = 0;
       mine = setting;
       if
       :: due = now
       :: now + 1 < LAST -> due = now + 1
       :: due = never
       fi;
#ifndef NO_TELL
       i = 0;
       do
       :: i < RECEIVERS ->
          if :: in_queue[i] -> in_queue[i] = false; claim(i, ticket[i], look_again) :: else fi;
          i++
       :: else -> break
       od;
       i = 0
#endif
     };
     d_step { if :: settled < mine -> settled = mine :: else fi }
  :: else -> break
  od
}

active proctype time() { do :: now < LAST -> now++ :: else -> break od }

init {
  byte n;
  atomic {
    do :: n < RECEIVERS -> run receiver(n); n++ :: else -> n = 0; break od;
    run machine();
    run machine();
    do :: n < SETTERS -> run setter(); n++ :: else -> n = 0; break od
  };
end:
  timeout;
  do
  :: n < RECEIVERS -> assert(!open[n] || due > now); n++
  :: else -> break
  od
}
