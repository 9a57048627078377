//! The difference between a claim and a checked claim, as a type.

/// Something that came from outside and can be checked.
pub trait Verify {
    /// What it is checked against.
    type Context: ?Sized;
    /// Why it may be refused.
    type Error;
    /// Checks the claim; says nothing else about it.
    fn check(&self, context: &Self::Context) -> Result<(), Self::Error>;
}

/// A claim that nobody has checked yet.
#[derive(Clone, Debug)]
pub struct Unverified<T>(T);

/// A claim that passed its check. [`Unverified::verify`] is the only maker.
#[derive(Clone, Debug)]
pub struct Verified<T>(T);

impl<T: Verify> Unverified<T> {
    /// Wraps a claim from outside.
    pub const fn new(claim: T) -> Self {
        Self(claim)
    }

    /// Checks the claim and turns it into a [`Verified`] one.
    pub fn verify(self, context: &T::Context) -> Result<Verified<T>, T::Error> {
        self.0.check(context)?;
        Ok(Verified(self.0))
    }
}

impl<T> Verified<T> {
    /// The same claim in another form.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Verified<U> {
        Verified(form(self.0))
    }

    /// The checked claim.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> std::ops::Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
