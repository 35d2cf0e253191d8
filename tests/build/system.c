#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
