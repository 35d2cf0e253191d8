#define LOSSES_IMPLEMENTATION
#include "losses.h"
