//! The fixed-point number of the protocol.

/// A signed 24.8 fixed-point number, the `fixed` of the protocol.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::Fixed;
///
/// assert_eq!(f64::from(Fixed::from_bits(0x180)), 1.5);
/// assert_eq!(Fixed::from(-2), Fixed::from_f64(-2.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed(i32);

impl Fixed {
    /// Creates the number `bits / 256`.
    pub const fn from_bits(bits: i32) -> Fixed {
        Fixed(bits)
    }

    /// Returns the number multiplied by 256.
    pub const fn to_bits(self) -> i32 {
        self.0
    }

    /// Converts a number to the nearest fixed-point number. Saturates if the number is out of range, and
    /// returns 0 for NaN.
    pub fn from_f64(number: f64) -> Fixed {
        Fixed((number * 256.0).round() as i32)
    }
}

impl From<Fixed> for f64 {
    fn from(fixed: Fixed) -> f64 {
        f64::from(fixed.0) / 256.0
    }
}

impl From<i16> for Fixed {
    fn from(number: i16) -> Fixed {
        Fixed(i32::from(number) * 256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_number_has_a_resolution_of_one_256th() {
        assert_eq!(Fixed::from_f64(1.5).to_bits(), 0x180);
        assert_eq!(Fixed::from_f64(-0.5).to_bits(), -128);
        assert_eq!(Fixed::from_f64(1.0 / 512.0).to_bits(), 1);
        assert_eq!(Fixed::from_f64(0.9 / 512.0).to_bits(), 0);
        assert_eq!(Fixed::from(i16::MIN).to_bits(), i32::from(i16::MIN) * 256);
        assert_eq!(f64::from(Fixed::from_bits(i32::MIN)), -8_388_608.0);
    }

    #[test]
    fn from_f64_rounds_to_the_nearest_fixed_number() {
        assert_eq!(Fixed::from_f64(1e300).to_bits(), i32::MAX);
        assert_eq!(Fixed::from_f64(f64::NEG_INFINITY).to_bits(), i32::MIN);
        assert_eq!(Fixed::from_f64(f64::NAN).to_bits(), 0);
    }
}
